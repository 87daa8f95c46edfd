"""A server that would not do is found before the Export counts, and its log is kept."""

import os
import resource
import shlex
import shutil
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from pictures import encoded, noise
from support import skip

from graft.components.common.artifacts.export import Export, ParityLimits
from graft.components.common.errors import GraftError
from graft.components.common.runs.run import Run
from graft.components.export import saved_model
from graft.components.export.acceptance import parity, server_process
from graft.components.export.acceptance.parity import EvaluatedImages
from graft.components.export.acceptance.server_process import command_of
from graft.components.export.acceptance.validation import ask, tried_server
from graft.components.export.config import ExportConfig
from graft.components.export.export import export

pytestmark = pytest.mark.slow

FAULTY = Path(__file__).with_name("faulty_server.py")
CLASSES = ("cats", "dogs")
IMAGES = 20


@pytest.fixture(scope="module")
def samples():
    return EvaluatedImages(
        [encoded(noise(seed)) for seed in range(IMAGES)], np.full((IMAGES, 2), [0.75, 0.25], np.float32)
    )


def served(tmp_path, samples, fault, log_uri=""):
    base = tmp_path / "serving [x]" / "pets"
    (base / "1").mkdir(parents=True)
    command = f"{sys.executable} {FAULTY} {{folder}} {{name}} {{port}} {shlex.quote(fault)}"
    limits = ParityLimits(max_difference=1e-3, label_agreement=0.995)
    with tried_server(base, command, log_uri) as server:
        return ask(server, CLASSES, samples, limits)


def test_what_a_good_server_is_recorded_as(tmp_path, samples):
    found = served(tmp_path, samples, "none")
    assert (found.by, found.parity.images, found.parity.max_difference) == ("faulty 1.2", IMAGES, 0)
    assert len(found.refused) == 4
    assert not [line for line in processes() if str(FAULTY) in line and str(tmp_path) in line]


def test_a_server_where_less_memory_is_allowed_than_there_is(tmp_path, samples, monkeypatch):
    start = server_process.subprocess.Popen

    class Limited(start):
        def __init__(self, *arguments, **named):
            super().__init__(*arguments, **named)
            resource.prlimit(self.pid, resource.RLIMIT_DATA, (2**30, 2**30))

    monkeypatch.setattr(server_process.subprocess, "Popen", Limited)
    assert served(tmp_path, samples, "none").by == "faulty 1.2"


def test_a_server_that_does_not_say_its_version(tmp_path, samples):
    assert served(tmp_path, samples, "no version").by == Path(sys.executable).name


class AsBefore:
    """A model as Graft 0.1 exported it: Python loads what it tracked, and a session doesn't find its variables."""

    def __init__(self, model):
        self._model = model
        self.variables = [SimpleNamespace(value=variable) for variable in model.variables]

    def __getattr__(self, name):
        return getattr(self._model, name)


def test_what_only_python_can_load_is_not_exported(tmp_path, chain, monkeypatch):
    write = saved_model.write_saved_model
    monkeypatch.setattr(saved_model, "write_saved_model", lambda model, *rest: write(AsBefore(model), *rest))
    inputs = [chain / name for name in ("model", "dataset", "evaluation", "decision")]
    run = Run(str(tmp_path / "store"), "pets", "run-1")
    log = Path(run.folder, "export.server.log")
    with pytest.raises(GraftError, match=f"can't be served: .*Could not find variable.*its log is {log}"):
        export(*inputs, tmp_path / "export", ExportConfig(parity_images=2), run)
    assert (
        log.is_file()
        and not (tmp_path / "export").exists()
        and not (tmp_path / "store" / "models" / "pets" / "latest.json").exists()
    )


@pytest.mark.parametrize(
    ("runner", "fault", "said"),
    [
        ("import sys; sys.exit('no runtime')", "never ready", r"^model.keras can't be loaded and run .*: no runtime"),
        ("import time; time.sleep(1000)", "not started", "can't be served: .*exit code 1 before it was ready"),
    ],
)
def test_what_fails_first_ends_what_runs_beside_it(tmp_path, chain, monkeypatch, runner, fault, said):
    (tmp_path / "runner.py").write_text(runner)
    monkeypatch.setattr(parity, "_RUNNER", tmp_path / "runner.py")
    monkeypatch.setattr(
        server_process,
        "command_of",
        lambda _, base, port: [sys.executable, str(FAULTY), str(base), base.name, str(port), fault],
    )
    inputs = [chain / name for name in ("model", "dataset", "evaluation", "decision")]
    with pytest.raises(GraftError, match=said):
        export(*inputs, tmp_path / "export", ExportConfig(parity_images=2))
    assert not [line for line in processes("--ppid", str(os.getpid())) if "runner.py" in line or str(FAULTY) in line]
    assert not (tmp_path / "export").exists()


def test_graft_s_own_server_is_the_first_that_is_tried(tmp_path, chain):
    record = Export.load(chain / "export")
    (own,) = record.served
    assert own.by.startswith("graft ") and version("tensorflow-cpu") in own.by
    assert own.parity.max_difference < 1e-5 and own.parity.label_agreement == 1 and len(own.refused) == 4


def processes(*which):
    if not shutil.which("ps"):
        skip("ps", "ps is not installed")
    return subprocess.run(
        ["ps", "-o", "args", *(which or ["-e"])], capture_output=True, check=True, text=True
    ).stdout.splitlines()


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ("not started", r"ended with exit code 1 before it was ready"),
        ("dies", r"stopped answering \(it ended with exit code 3\)"),
        ("dies at last", r"stopped answering \(it ended with exit code 3\)"),
        ("text", 'its answer is not TensorFlow Serving\'s, status 200: "no predictions"'),
        ("endless", "its answer is longer than 16,777,216 bytes"),
        ("fewer", "it gave 7 predictions for 8 images"),
        ("three", "not of 2 classes"),
        ("other", r"differ from the evaluation's by up to 0\.01"),
        ("nan", "probabilities that are no numbers"),
        ("label", "it calls the class 'cats' 'dogs'"),
        ("accepts", "it gave a prediction for a cut-off JPEG"),
        ("falls", "after a cut-off JPEG it gives another answer for the same image"),
    ],
)
def test_a_server_that_would_not_do(tmp_path, samples, fault, said):
    log = tmp_path / "kept" / "server.log"
    with pytest.raises(
        GraftError, match=f"can't be served: the server failed .*{said}.*its log is {log}. Nothing is exported"
    ):
        served(tmp_path, samples, fault, str(log))
    assert log.is_file() and (fault != "dies" or "out of luck" in log.read_text())


def test_a_server_that_is_never_ready(tmp_path, samples, monkeypatch, caplog):
    monkeypatch.setattr(server_process, "_STARTING", 1.0)
    with pytest.raises(GraftError, match="it was not ready after 1 seconds"):
        served(tmp_path, samples, "never ready")
    said = [record.getMessage() for record in caplog.records]
    assert said[0] == "The log of the server:" and "/v1/models/pets" in said[1]
    assert not any("\n" in line for line in said)  # which would be shown escaped


def test_a_server_that_takes_connections_and_says_nothing(tmp_path, samples, monkeypatch):
    monkeypatch.setattr(server_process, "_STARTING", 1.0)
    monkeypatch.setattr(server_process, "_ANSWERING", 0.3)
    with pytest.raises(GraftError, match="it was not ready after 1 seconds"):
        served(tmp_path, samples, "silent")


def test_a_server_that_is_named_wrongly_is_refused_before_anything_is_read(tmp_path):
    for server in ("server {port}", "no-such-server {folder} {port}", "kserve:/nonexistent"):
        with pytest.raises(GraftError, match=r"^validate_with: .*(has no {folder}|is no program here|doesn't exist)"):
            export(*[tmp_path / "none"] * 4, tmp_path / "export", validate_with=server)


def test_a_server_whose_answers_can_not_be_unpacked_is_never_ready(tmp_path, samples, monkeypatch):
    monkeypatch.setattr(server_process, "_STARTING", 1.0)
    with pytest.raises(GraftError, match="it was not ready after 1 seconds"):
        served(tmp_path, samples, "packed wrongly")


def test_a_store_that_fails_too_hides_neither_the_failure_nor_the_log(tmp_path, samples, caplog):
    (tmp_path / "store").write_bytes(b"no folder")
    with pytest.raises(GraftError, match=r"it ended with exit code 3\)\), its log stands above"):
        served(tmp_path, samples, "dies", str(tmp_path / "store" / "server.log"))
    assert "can't be kept" in caplog.text and "out of luck" in caplog.text


def test_a_server_that_takes_too_long_altogether(tmp_path, samples, monkeypatch):
    monkeypatch.setattr(server_process, "_ALTOGETHER", 4.0)
    with pytest.raises(GraftError, match=r"stopped answering \(it ended with exit code -9\)"):
        served(tmp_path, samples, "drips")


def test_a_server_that_takes_more_memory_than_there_is(tmp_path, samples, monkeypatch):
    monkeypatch.setattr(server_process, "memory_limit", lambda: 1 << 30)
    log = tmp_path / "server.log"
    with pytest.raises(GraftError, match="it stopped answering"):
        served(tmp_path, samples, "memory", str(log))
    assert "MemoryError" in log.read_text()


@pytest.mark.parametrize(
    ("validate_with", "said"),
    [
        ("server '{folder} {port}", "is no command"),
        ("server {port}", "has no {folder}"),
        ("server {folder}", "has no {port}"),
        ("kserve:/nonexistent", "/nonexistent/bin/python doesn't exist"),
    ],
)
def test_no_command(validate_with, said):
    with pytest.raises(GraftError, match=said):
        command_of(validate_with, Path("/models/pets"), 8501)


def test_placeholders_of_a_command(tmp_path):
    program = tmp_path / "my server"
    program.touch(mode=0o755)
    command = command_of(f"'{program}' --dir={{folder}} {{port}} --model {{name}}", Path("/a b/pets"), 8501)
    assert command == [str(program), "--dir=/a b/pets", "8501", "--model", "pets"]
