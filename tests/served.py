"""A server of an exported model, in a process of its own, as people start it."""

import base64
import contextlib
import os
import re
import subprocess
import sys
from pathlib import Path

import requests

GRAFT = Path(sys.executable).with_name("graft")


class Server:
    """A server that runs.

    Attributes:
        url: Its address.
        model: The address of its model, by TensorFlow Serving's interface.
        infer: Where the Open Inference Protocol's requests go.
        process: The process.
    """

    def __init__(self, base, name="pets", port=0):
        command = [sys.executable, "-m", "graft.components.common.serving.server", base, "--name", name]
        self.process = subprocess.Popen(
            [*command, "--port", str(port)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=environment(),
        )
        self.ready = self.process.stdout.readline()
        self.url = self.ready.strip().rpartition(" ")[2]
        self.model = f"{self.url}/v1/models/{name}"
        self.infer = f"{self.url}/v2/models/{name}/infer"

    def predict(self, *images, **more):
        """Returns the predictions for images."""
        body = {"instances": [{"image_bytes": b64(image)} for image in images]} | more
        answer = requests.post(f"{self.model}:predict", json=body, timeout=60)
        assert answer.status_code == 200, answer.text
        return answer.json()["predictions"]

    def end(self):
        """Ends it, and returns its exit code and what it wrote to the standard error."""
        self.process.terminate()
        _, errors = self.process.communicate(timeout=60)
        return self.process.returncode, errors


def b64(image):
    """Returns an image as TensorFlow Serving's interface takes it."""
    return {"b64": base64.b64encode(image).decode()}


def environment():
    """Returns the environment of a process that says nothing about TensorFlow's log, and has no GPU."""
    kept = {key: value for key, value in os.environ.items() if key != "TF_CPP_MIN_LOG_LEVEL"}
    return kept | {"CUDA_VISIBLE_DEVICES": "-1"}


@contextlib.contextmanager
def graft_serve(model, *words):
    """Runs `graft serve` at a free port. Yields the process, whose `line` is what it says when it serves, and `url` the address in it."""
    with graft_at_a_port("serve", model, "--port", "0", *words) as process:
        yield process


@contextlib.contextmanager
def graft_at_a_port(*words, **options):
    """Runs a command of `graft` that listens; as `graft_serve`."""
    command = [GRAFT, *words]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment(), **options
    ) as process:
        try:
            process.line = process.stdout.readline()
            found = re.search(r"http://127\.0\.0\.1:\d+\S*", process.line)
            assert found, process.stderr.read()
            process.url = found[0]
            yield process
        finally:
            process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(30)
            process.kill()
