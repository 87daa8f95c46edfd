"""A real MLflow tracking server, in an environment of its own, behind a server that loses answers when it is told to."""

import os
import signal
import subprocess
import time
import urllib.error
import urllib.request

import pytest
from faults import FaultyServer
from support import ROOT, free_port, skip

MLFLOW = ROOT / "build/mirrors/mlflow/bin/mlflow"
QUIET = {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", "MLFLOW_DISABLE_TELEMETRY": "true"}
PATIENCE = 300


class RealMlflow(FaultyServer):
    """The tracking server, with all that it keeps in a folder.

    Args:
        folder: The folder.
    """

    def __init__(self, folder):
        super().__init__()
        self.port, self._folder, self._process = free_port(), folder, None

    def start(self):
        """Starts the server, or starts it again."""
        command = [MLFLOW, "server", "--host", "127.0.0.1", "--port", str(self.port), "--workers", "1"]
        command += ["--backend-store-uri", f"sqlite:///{self._folder}/mlflow.db"]
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                command, stdout=log, stderr=log, cwd=self._folder, env=os.environ | QUIET, start_new_session=True
            )
        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                return urllib.request.urlopen(f"http://127.0.0.1:{self.port}/health", timeout=5).close()
            except OSError:
                if self._process.poll() is not None or time.monotonic() > deadline:
                    pytest.fail(f"MLflow doesn't start: {(self._folder / 'log').read_text()[-2000:]}")
                time.sleep(0.1)

    def kill(self):
        """Kills the server and its workers."""
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()

    def __enter__(self):
        if not MLFLOW.exists():
            skip("mlflow", f"{MLFLOW.relative_to(ROOT)} doesn't exist: make mirrors")
        self.start()
        return super().__enter__()

    def __exit__(self, *error):
        super().__exit__(*error)
        self.kill()

    def error(self, status, text):
        return {"error_code": "INTERNAL_ERROR", "message": text}

    def _answer(self, method, target, headers, body):
        """Passes a request on; one that finds no server gets the answer of a proxy before it."""
        kept = {name: value for name, value in headers.items() if name in ("Content-Type", "Authorization")}
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}{target}", body or None, kept, method=method)
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode()
        except OSError:
            return 502, "Bad Gateway"
