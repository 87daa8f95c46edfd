"""A server that would not do is found before the Export counts, and its log is kept."""

import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from pictures import encoded, noise

from graft.components.common.artifacts.export import ParityLimits
from graft.components.common.errors import GraftError
from graft.components.export import server_process
from graft.components.export.parity import EvaluatedImages
from graft.components.export.server_process import command_of
from graft.components.export.validation import validate

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
    return validate(base, CLASSES, samples, limits, command, log_uri)


def test_what_a_good_server_is_recorded_as(tmp_path, samples):
    found = served(tmp_path, samples, "none")
    assert (found.by, found.parity.images, found.parity.max_difference) == ("faulty 1.2", IMAGES, 0)
    assert len(found.refused) == 4
    assert not [line for line in processes() if str(FAULTY) in line and str(tmp_path) in line]


def test_a_server_that_does_not_say_its_version(tmp_path, samples):
    assert served(tmp_path, samples, "no version").by == ""


def processes():
    return subprocess.run(["ps", "-eo", "args"], capture_output=True, check=True, text=True).stdout.splitlines()


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ("not started", r"ended with exit code 1 before it was ready"),
        ("dies", r"stopped answering \(it ended with exit code 3\)"),
        ("text", 'its answer is not TensorFlow Serving\'s: "no predictions"'),
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
    assert "The log of the server" in caplog.text and "/v1/models/pets" in caplog.text


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


def test_placeholders_of_a_command():
    command = command_of("'my server' --dir={folder} {port} --model {name}", Path("/a b/pets"), 8501)
    assert command == ["my server", "--dir=/a b/pets", "8501", "--model", "pets"]
