"""The gate: a Decision either way, a failure that says why, and no number is no pass."""

import json

import pytest

from graft.components.common.errors import GateFailedError, GraftError
from graft.components.common.records import write_record
from graft.components.gate.config import GateConfig
from graft.components.gate.gate import gate


@pytest.fixture
def evaluation(tmp_path):
    def write(metrics):
        folder = tmp_path / "evaluation"
        folder.mkdir()
        digests = {"model_digest": "m", "dataset_digest": "d", "split": "validation"}
        (folder / "evaluation.json").write_text(json.dumps({"schema_version": 1, "metrics": metrics, **digests}))
        return folder

    return write


def decision(tmp_path):
    return json.loads((tmp_path / "decision" / "decision.json").read_text())


def test_passes_at_the_threshold(tmp_path, evaluation):
    result = gate(evaluation({"accuracy": 0.9}), tmp_path / "decision", GateConfig(min_accuracy=0.9))
    assert result.passed
    assert decision(tmp_path)["rules"] == [{"rule": "min_accuracy", "threshold": 0.9, "value": 0.9, "passed": True}]


@pytest.mark.parametrize(
    ("metrics", "value", "said"),
    [
        ({"accuracy": 0.8999}, 0.8999, "accuracy 0.8999 is below the required 0.9"),
        ({}, None, "accuracy .missing. is below the required 0.9"),
        ({"accuracy": float("nan")}, None, "accuracy .missing. is below"),
        ({"accuracy": None}, None, "accuracy .missing. is below"),
    ],
)
def test_fails_with_the_decision_written(tmp_path, evaluation, metrics, value, said):
    with pytest.raises(GateFailedError, match=said) as failure:
        gate(evaluation(metrics), tmp_path / "decision", GateConfig(min_accuracy=0.9))
    written = decision(tmp_path)
    assert written["passed"] is False
    assert written["rules"][0]["value"] == value
    assert failure.value.outcome.rules[0].threshold == 0.9


def test_an_unfinished_evaluation_leaves_no_decision(tmp_path):
    (tmp_path / "evaluation").mkdir()
    with pytest.raises(GraftError, match=r"holds no evaluation\.json"):
        gate(tmp_path / "evaluation", tmp_path / "decision")
    assert not (tmp_path / "decision").exists()


def test_a_record_of_another_schema_is_refused(tmp_path, evaluation):
    folder = evaluation({"accuracy": 1.0})
    write_record(folder / "evaluation.json", {"schema_version": 99})
    with pytest.raises(GraftError, match="schema version 99"):
        gate(folder, tmp_path / "decision")
