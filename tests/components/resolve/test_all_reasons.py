"""All that is wrong with a run is told in one go, each with its remedy, and nothing that only follows from it."""

import json
import threading

import pytest
from web import web_server

from graft.components.common.checks import check_all
from graft.components.common.config import configure
from graft.components.common.errors import GraftError, SeveralError
from graft.components.common.messages import shown
from graft.components.common.parameters import Parameters
from graft.components.common.runs.run import Run
from graft.components.common.runs.step_record import read_run, recorded
from graft.components.gate.config import GateConfig
from graft.components.ingest.config import IngestConfig
from graft.components.resolve.resolve import resolve


def problems(parameters, run=Run()):  # noqa: B008
    with pytest.raises(GraftError) as refused:
        resolve(parameters, run)
    return list(refused.value.problems)


def test_source_weights_store_settings_baselines_and_logs_are_all_told(tmp_path):
    (tmp_path / "file").touch()
    (tmp_path / "weights.h5").write_bytes(b"no weights")
    config = {
        "train": {"tensorboard": str(tmp_path / "file" / "logs")},
        "evaluate": {"champion": str(tmp_path / "gone")},
        "gate": {"min_accuracy": 7, "min_auc": -1, "minimum": 1},
    }
    wrong = Parameters(str(tmp_path / "nosuch.zip"), str(tmp_path / "weights.h5"), config=json.dumps(config))
    told = problems(wrong, Run(str(tmp_path / "file" / "store"), "pets", "run-1"))
    for words in (
        "gate has no setting 'minimum': there are",
        "gate: min_accuracy can't be 7",
        "gate: min_auc can't be -1",
        "nosuch.zip doesn't exist: check the path or URI.",
        "weights.h5 is not a Keras weights file",
        "file/store can't be reached",
        "file/logs can't be reached",
        "gone is no finished Model or Export",
    ):
        assert len([line for line in told if words in line]) == 1, (words, told)
    assert len(told) == 8


def test_one_problem_reads_as_it_always_did(tmp_path):
    with pytest.raises(GraftError) as refused:
        resolve(Parameters(str(tmp_path / "nosuch.zip"), "random"))
    assert not isinstance(refused.value, SeveralError)
    assert str(refused.value) == f"{tmp_path}/nosuch.zip doesn't exist: check the path or URI."


def test_what_depends_on_something_wrong_is_not_tried(tmp_path):
    with web_server() as web:
        config = json.dumps({"ingest": {"limit": -1}, "train": {"epochs": 0, "tensorboard": "/dev/null/logs"}})
        told = problems(Parameters(f"{web.url}/photos.zip", "random", config=config))
        assert web.asked == []  # how far its redirects may lead stands in settings that are wrong
    assert [line.partition(" can't")[0] for line in told] == ["ingest: limit", "train: epochs"]
    not_json = problems(Parameters(str(tmp_path), "random", config="{"))
    assert [line.startswith("--config is not JSON") for line in not_json] == [True, False]  # once, not once a step
    assert "has no images in class folders" in not_json[1]


def test_several_that_wait_wait_at_the_same_time():
    together = threading.Barrier(3, timeout=60)

    def refuse(number):
        raise GraftError(f"{number}.")

    def wait(number):
        together.wait()  # one by one they would never pass
        refuse(number)

    with pytest.raises(SeveralError) as refused:
        check_all([lambda number=number: wait(number) for number in range(3)])
    assert refused.value.problems == ("0.", "1.", "2.")
    assert check_all([lambda: 1, lambda: 2]) == [1, 2]
    with pytest.raises(ZeroDivisionError):
        check_all([lambda: 1 / 0, lambda: refuse(0)])


def test_every_wrong_value_of_a_step_is_named_and_the_right_ones_are_not():
    with pytest.raises(SeveralError) as refused:
        configure("ingest", IngestConfig, {"limit": "many", "leaks": "drop", "sha256": "x", "shards": 1})
    assert [problem.partition(": ")[2].partition(" can't")[0] for problem in refused.value.problems[1:]] == [
        "limit",
        "sha256",
    ]
    with pytest.raises(SeveralError, match=r"leave nothing to train on") as refused:
        configure("ingest", IngestConfig, {"validation_fraction": 0.5, "test_fraction": 0.5, "x": 1})
    assert len(refused.value.problems) == 2
    with pytest.raises(GraftError, match=r"^gate: min_auc can't be 2: .*$"):
        configure("gate", GateConfig, {"min_auc": 2})


def test_lines_are_graft_s_own_and_secrets_are_in_none(tmp_path):
    several = SeveralError(["https://h/a?sig=S3CRET\x1b[2J\n  - forged", "gs://ann:S3CRET@b/c is wrong."])
    said = shown(several, f"graft: {several}")
    assert said.split("\n") == [
        "graft: 2 things are wrong:",
        "  - https://h/a\\u000a  - forged",
        "  - gs://b/c is wrong.",
    ]
    assert shown(GraftError("a\nb")) == "a\\u000ab"
    run = Run(str(tmp_path), "pets", "run-1")
    with pytest.raises(SeveralError), recorded("resolve", run):
        raise several
    summary = read_run(run).resolve.summary
    assert (summary.count("\n"), "S3CRET" in summary, "\x1b" in summary) == (2, False, False)
