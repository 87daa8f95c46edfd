"""`graft serve`: a version by name or path, in either layout, as it was published, for this machine alone, until it is told to end."""

import shutil
import signal
import socket
import subprocess
from pathlib import Path

import pytest
import requests
from exports import in_earlier_layout
from served import GRAFT, environment, graft_serve

from graft.components.common.errors import GraftError
from graft.components.common.registry.registry import Registry
from graft.pipelines.cli.app import app

pytestmark = pytest.mark.slow

SAVED_MODEL = {"old": "saved_model", "new": "serving/model/1"}


@pytest.fixture(scope="module")
def exports(chain, tmp_path_factory):
    """One model in both layouts."""
    folder = tmp_path_factory.mktemp("exports")
    shutil.copytree(chain / "export", folder / "new")
    in_earlier_layout(chain / "export", folder / "old")
    return folder


@pytest.fixture
def export(exports, layout, tmp_path):
    """A copy to be changed."""
    shutil.copytree(exports / layout, tmp_path / "export")
    return tmp_path / "export"


def ask(server, name, export):
    """Returns what the server says of the request that lies in an Export."""
    body = next(export.rglob("request.json")).read_bytes()
    answer = requests.post(f"{server.url}/v1/models/{name}:predict", body, timeout=60)
    assert answer.status_code == 200, answer.text
    return answer.json()["predictions"]


def refusal(*words):
    with pytest.raises(GraftError) as refused:
        app(["serve", *map(str, words), "--port", "0"], result_action="return_value")
    return str(refused.value)


def test_by_name_and_by_path_in_both_layouts_the_answer_is_one(exports, tmp_path):
    answers = []
    for layout in SAVED_MODEL:
        export, store = exports / layout, tmp_path / layout
        registry = Registry(str(store), "pets")
        version = registry.publish(export)
        registry.promote(version)
        for name, words in (("model", [export]), ("pets", ["pets", "--store", store])):
            with graft_serve(*words) as server:
                assert all(said in server.line for said in (name, version[:12], "Ctrl-C"))
                answers.append(ask(server, name, export))
                assert "Drop photographs here" in requests.get(server.url, timeout=60).text
    assert answers[0][0]["label"] in ("cats", "dogs")
    assert all(answer == answers[0] for answer in answers)


@pytest.mark.parametrize("layout", SAVED_MODEL)
def test_what_was_changed_or_put_into_it_is_not_served(export, layout):
    (export / SAVED_MODEL[layout] / "assets").mkdir(exist_ok=True)
    (export / SAVED_MODEL[layout] / "assets/more").write_text("more")
    assert "is not in SHA256SUMS" in refusal(export)
    (export / SAVED_MODEL[layout] / "assets/more").unlink()
    file = export / SAVED_MODEL[layout] / "saved_model.pb"
    file.write_bytes(file.read_bytes() + b"\0")
    assert "saved_model.pb has the SHA-256" in refusal(export)


def test_what_can_t_be_served(chain, tmp_path):
    for words, sentence in (
        ((chain / "model",), "model is no finished Export"),
        (("pets",), "There is no pets here: name a Model or an Export, and with --store"),
        (("pets", "--store", tmp_path), f"or name one as pets@VERSION. Models in {tmp_path}: none."),
        ((chain / "export", "--store", tmp_path), "leave --store out for a path or URI"),
    ):
        assert sentence in refusal(*words)


def test_a_port_in_use_is_named_with_the_remedy(chain):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = subprocess.run(
            [GRAFT, "serve", chain / "export", "--port", str(port)],
            capture_output=True,
            text=True,
            timeout=60,
            env=environment(),
        )
    assert (done.returncode, done.stdout) == (1, "")
    assert (
        done.stderr
        == f"graft: Port {port} of 127.0.0.1 can't be listened at (Address already in use): name another by --port.\n"
    )


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_serves_this_machine_alone_without_tensorflow_s_python_and_ends_when_told(
    chain, tmp_path, monkeypatch, number
):
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    with graft_serve(chain / "export") as server:
        ask(server, "model", chain / "export")
        port = int(server.url.rpartition(":")[2])
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.2", port))
        assert "tensorflow/python" not in Path(f"/proc/{server.pid}/maps").read_text()
        server.send_signal(number)
        out, err = server.communicate(timeout=30)
        assert (server.returncode, out) == (0, "") and "Traceback" not in err
    assert list(tmp_path.iterdir()) == []
