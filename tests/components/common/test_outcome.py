"""How a run ended is told from its records alone."""

from graft.components.common.runs.step_record import STEPS
from graft.components.common.runs.verdict import UNCHANGED, Outcome, judge


def record(summary="done", status="succeeded", error=None, **outcome):
    return {"status": status, "error": error, "summary": summary, "outcome": outcome or None}


ENDED = {step: record() for step in STEPS} | {"evaluate": record(metrics={"accuracy": 0.94})}


def until(step, last):
    return {name: ENDED[name] for name in STEPS[: STEPS.index(step)]} | {step: last}


def test_success():
    verdict = judge(ENDED)
    assert (verdict.outcome, verdict.accuracy, verdict.reason) == (Outcome.SUCCEEDED, 0.94, "export: done")
    assert verdict.outcome.good


def test_a_gate_that_decides_is_no_error():
    verdict = judge(until("gate", record("accuracy too low", "failed", "GateFailedError")))
    assert (verdict.outcome, verdict.accuracy) == (Outcome.GATE_FAILED, 0.94)
    assert verdict.reason == "gate: accuracy too low"
    assert judge(until("gate", record("no room", "failed", "OSError"))).outcome is Outcome.FAILED


def test_a_step_without_a_record_failed_whatever_came_after():
    assert judge({}).reason.startswith("resolve: ended without a word")
    # A killed step leaves no record, and the next one stumbles over what it left.
    later = {name: entry for name, entry in ENDED.items() if name != "train"}
    assert judge(later).reason.startswith("train: ended without a word")
    assert judge(later).outcome is Outcome.FAILED


def test_a_failed_step_says_why():
    assert judge(until("train", record("no room", "failed", "OSError"))).reason == "train: no room"


def test_nothing_new_is_a_success():
    verdict = judge({"resolve": record("nothing new", digest=UNCHANGED)})
    assert (verdict.outcome, verdict.outcome.good, verdict.reason) == (Outcome.UNCHANGED, True, "resolve: nothing new")
