"""The server as a process: it starts, bears what comes, and ends."""

import random
import signal
import socket
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
import pytest
import requests
from served import Server, b64, environment

pytestmark = pytest.mark.slow


def resident(server):
    """Returns the MiB of memory that a server has."""
    pages = Path(f"/proc/{server.process.pid}/statm").read_text().split()[1]
    return int(pages) * 4096 / 2**20


def test_it_says_where_it_is_and_has_no_python_tensorflow(server):
    assert server.ready.startswith("Serving pets, version 1, at http://127.0.0.1:")
    maps = Path(f"/proc/{server.process.pid}/maps").read_text()
    assert "libtensorflow_cc.so" in maps
    assert "_pywrap_tensorflow" not in maps


def test_the_page_is_there(server):
    answer = requests.get(server.url, timeout=60)
    assert answer.status_code == 200
    assert "text/html" in answer.headers["Content-Type"]


def test_a_page_of_another_site_is_refused(server):
    answer = requests.get(f"{server.url}/v2", headers={"Origin": "http://evil.example"}, timeout=60)
    assert (answer.status_code, list(answer.json())) == (403, ["error"])


def test_bad_images_among_concurrent_good_ones_fail_alone(server, images, probabilities):
    bad = [images[0][:300], b"no image", b""]
    order = [*range(20), *range(20), -1, -2, -3] * 2
    random.Random(0).shuffle(order)

    def ask(number):
        body = {"instances": [b64(images[number] if number >= 0 else bad[number])]}
        return requests.post(f"{server.model}:predict", json=body, timeout=60)

    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(ask, order))
    for number, answer in zip(order, answers, strict=True):
        assert answer.status_code == (200 if number >= 0 else 400), answer.text
        if number >= 0:
            got = answer.json()["predictions"][0]["probabilities"]
            assert np.abs(np.array(got) - probabilities[number]).max() < 1e-6


def test_memory_stays_flat(server, images):
    """A leak of what each request brings would be 300 MiB."""
    large = images[0] + bytes(2**20)  # behind its end

    def ask(times):
        with requests.Session() as session:
            for number in range(times):
                image = large if number % 2 else bytes(2**20)
                answer = session.post(f"{server.model}:predict", json={"instances": [b64(image)]}, timeout=60)
                assert answer.status_code == (200 if number % 2 else 400)

    ask(60)
    before = resident(server)
    ask(300)
    assert resident(server) - before < 60


def test_the_highest_number_is_served(chain, tmp_path, images):
    for name in ("2", "10", "latest", "9"):
        (tmp_path / name).mkdir()
    (tmp_path / "10").rmdir()
    (tmp_path / "10").symlink_to(chain / "export/serving/model/1")
    server = Server(tmp_path, "my pets")
    try:
        status = requests.get(f"{server.url}/v1/models/my%20pets", timeout=60).json()
        assert status["model_version_status"][0]["version"] == "10"
        assert len(server.predict(images[0])) == 1
    finally:
        assert server.end() == (0, "")


@pytest.mark.parametrize("told", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_within_seconds_also_when_a_client_is_slow(base_path, told):
    server = Server(base_path)
    with requests.Session() as session, socket.create_connection(urlsplit(server.url).netloc.split(":")) as slow:
        assert session.get(f"{server.url}/v2/health/live", timeout=60).ok  # stays connected
        slow.sendall(b"POST /v1/models/pets:predict HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n{")
        server.process.send_signal(told)
        _, errors = server.process.communicate(timeout=45)  # aiohttp by itself would wait a minute
    assert (server.process.returncode, errors) == (0, "")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "holds no version of a model"),
        ({}, "holds no version of a model"),
        ({"1": None}, "Could not find SavedModel"),
        ({"1": b""}, "can't be loaded"),
        ({"1": b"\xff" * 100}, "can't be loaded"),
    ],
)
def test_what_is_no_model_ends_it_with_a_sentence(tmp_path, content, said):
    folder = tmp_path / "base"
    for version, damaged in (content or {}).items():
        (folder / version).mkdir(parents=True)
        if damaged is not None:
            (folder / version / "saved_model.pb").write_bytes(damaged)
    if content == {}:
        folder.mkdir()
    done = start(folder, 0)
    assert (done.returncode, done.stdout) == (1, "")
    assert said in done.stderr and str(folder) in done.stderr and done.stderr.count("\n") == 1


def test_a_port_that_is_taken_is_told(server, base_path):
    port = server.url.rpartition(":")[2]
    done = start(base_path, port)
    assert (done.returncode, done.stdout) == (1, "")
    assert f"Port {port} of 127.0.0.1 can't be listened at" in done.stderr


def start(folder, port):
    """Runs the command to its end."""
    command = [
        sys.executable,
        "-m",
        "graft.components.common.serving.server",
        folder,
        "--name",
        "x",
        "--port",
        str(port),
    ]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, env=environment())


def test_a_version_without_its_variables_answers_by_the_reason(chain, tmp_path, images):
    """TensorFlow loads it all the same, also in TensorFlow Serving."""
    (tmp_path / "1").mkdir()
    content = (chain / "export/serving/model/1/saved_model.pb").read_bytes()
    (tmp_path / "1" / "saved_model.pb").write_bytes(content)
    server = Server(tmp_path)
    try:
        answer = requests.post(f"{server.model}:predict", json={"instances": [b64(images[0])]}, timeout=60)
        assert answer.status_code == 400
        assert "Could not find variable" in answer.json()["error"]
    finally:
        server.end()
