"""A server that is started for an Export, to be asked over HTTP by TensorFlow Serving's REST interface."""

import base64
import contextlib
import dataclasses
import json
import os
import resource
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from http import HTTPStatus
from pathlib import Path
from typing import IO

import requests

from graft.components.common import storage
from graft.components.common.artifacts.signing.keys import without_signing_key
from graft.components.common.compute.machine import memory_limit
from graft.components.common.ending import undone
from graft.components.common.errors import GraftError
from graft.components.export.config import KSERVE, check_server
from graft.components.export.saved_model import INPUT

_OWN = "graft.components.common.serving.server"
_KSERVE_SERVER = Path(__file__).with_name("kserve_server.py")
_ENVIRONMENT = {"CUDA_VISIBLE_DEVICES": "-1", "TF_CPP_MIN_LOG_LEVEL": "2"}
_STARTING, _ANSWERING, _ENDING, _ALTOGETHER = 180.0, 120.0, 10.0, 1800.0
_PIECE, _LONGEST = 2**16, 2**24


class ServerError(GraftError):
    """A server that can't be started, doesn't get ready, or answers wrongly; the message says what it does."""


def command_of(validate_with: str, base: Path, port: int) -> list[str]:
    """Returns the command that serves a model at a port of this machine.

    Args:
        validate_with: Empty for Graft's own server, else as `check_server` takes it.
        base: The folder that holds the numbered folders of the SavedModel, which has the model's name.
        port: The port.

    Raises:
        GraftError: The command can't be parsed, lacks a placeholder or isn't there, or the environment has no Python.
    """
    told = [str(base), "--name", base.name, "--port", str(port)]
    if not validate_with:
        # -P: nothing is imported from the working directory. -I would also leave out PYTHONPATH, by which the images have Graft.
        return [sys.executable, "-P", "-m", _OWN, *told]
    if validate_with.startswith(KSERVE):
        python = Path(validate_with.removeprefix(KSERVE), "bin", "python")
        if not python.is_file():
            raise GraftError(
                f"validate_with: {python} doesn't exist: name a virtual environment that has kserve and tensorflow."
            )
        return [str(python.absolute()), "-I", str(_KSERVE_SERVER), *told]
    try:
        words = shlex.split(check_server(validate_with))
    except ValueError as error:
        raise GraftError(f"validate_with: {error}.") from error
    for placeholder, value in {"{folder}": str(base), "{name}": base.name, "{port}": str(port)}.items():
        words = [word.replace(placeholder, value) for word in words]
    if shutil.which(words[0]) is None:
        raise GraftError(f"validate_with: {words[0]} is no program here: install it, or write its path.")
    return words


@dataclasses.dataclass(frozen=True)
class Answer:
    """What a server answered: its status code and its bytes."""

    status: int
    content: bytes

    @property
    def ok(self) -> bool:
        """Whether it is no error."""
        return self.status == HTTPStatus.OK

    def __str__(self) -> str:
        """Returns its beginning, for messages."""
        return f"status {self.status}: {self.content[:200].decode(errors='replace')}"


class Server:
    """A server that runs, and how to ask it."""

    def __init__(self, process: subprocess.Popen[bytes], program: str, port: int, name: str) -> None:
        """Takes its process and the program that it is, its port and the name of the model that it serves."""
        self._process, self._program, self._name = process, program, name
        self._address = f"http://127.0.0.1:{port}"
        self._session = requests.Session()
        self._session.trust_env = False  # no proxy stands between this machine and itself

    def wait_until_ready(self) -> None:
        """Waits until the server says that it serves the model.

        Raises:
            ServerError: It ends before, or takes too long.
        """
        deadline = time.monotonic() + _STARTING
        while not self._says_ready():
            if (code := self._process.poll()) is not None:
                raise ServerError(f"it ended with exit code {code} before it was ready")
            if time.monotonic() > deadline:
                raise ServerError(f"it was not ready after {_STARTING:.0f} seconds")
            time.sleep(0.1)

    def predict(self, encoded: Sequence[bytes]) -> Answer:
        """Asks for predictions of encoded images.

        Raises:
            ServerError: There is no answer in time.
        """
        instances = [{INPUT: {"b64": base64.b64encode(content).decode()}} for content in encoded]
        return self.post(json.dumps({"instances": instances}).encode())

    def post(self, body: bytes) -> Answer:
        """Sends a request for predictions as it is.

        Raises:
            ServerError: There is no answer in time.
        """
        return self._ask("POST", f"/v1/models/{self._name}:predict", body)

    def version(self) -> str:
        """Returns the server's name and version as it says them by the Open Inference Protocol; its program if it doesn't speak that.

        Raises:
            ServerError: There is no answer in time.
        """
        answer = self._ask("GET", "/v2")
        try:
            said = json.loads(answer.content) if answer.ok else {}
            return f"{said['name']} {said['version']}"
        except (ValueError, KeyError, TypeError):
            return self._program

    def _ask(self, method: str, path: str, body: bytes = b"") -> Answer:
        try:
            return self._request(method, path, body)
        except requests.RequestException as error:
            time.sleep(0.1)  # a process that dies closes its connections first
            code = self._process.poll()
            why = storage.brief(error) if code is None else f"it ended with exit code {code}"
            raise ServerError(f"it stopped answering ({why})") from error

    def _says_ready(self) -> bool:
        try:
            return self._request("GET", f"/v1/models/{self._name}").ok
        except requests.RequestException:  # it doesn't listen yet, or answers something else than HTTP
            return False

    def _request(self, method: str, path: str, body: bytes = b"") -> Answer:
        headers = {"Content-Type": "application/json"} if body else {}
        with self._session.request(
            method,
            f"{self._address}{path}",
            data=body,
            headers=headers,
            timeout=_ANSWERING,
            stream=True,
            allow_redirects=False,
        ) as answer:
            content = bytearray()
            for piece in answer.iter_content(_PIECE):
                content += piece
                if len(content) > _LONGEST:
                    raise ServerError(f"its answer is longer than {_LONGEST:,} bytes")
            return Answer(answer.status_code, bytes(content))


@contextlib.contextmanager
def running_server(validate_with: str, base: Path, log: IO[bytes]) -> Iterator[Server]:
    """Runs a server until the context ends, or for at most half an hour: without a GPU, and with no more memory than this container has.

    Args:
        validate_with: The server, as `command_of` takes it.
        base: The folder that it is given.
        log: File that its output goes to.

    Raises:
        ServerError: It can't be started.
    """
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = command_of(validate_with, base, port)
    try:
        process = subprocess.Popen(  # noqa: S603 (this machine's operator names it)
            command, stdout=log, stderr=log, env=without_signing_key() | _ENVIRONMENT, start_new_session=True
        )
    except OSError as error:
        raise ServerError(f"validate_with: {command[0]} can't be started ({storage.brief(error)})") from error

    def kill() -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)

    ending = threading.Timer(_ALTOGETHER, kill)
    ending.daemon = True
    with process, undone(kill):
        try:
            ending.start()
            _, most = resource.prlimit(process.pid, resource.RLIMIT_DATA)  # which no user may raise
            limit = memory_limit() if most == resource.RLIM_INFINITY else min(memory_limit(), most)
            resource.prlimit(process.pid, resource.RLIMIT_DATA, (limit, limit))
            yield Server(process, Path(command[0]).name, port, base.name)
        finally:
            ending.cancel()
            process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(_ENDING)
            kill()
