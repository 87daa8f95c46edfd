"""How a run ended is told from its records alone."""

from run_records import EVALUATED

from graft.components.common.artifacts.results import UNCHANGED, Outcome, ResolveResult
from graft.components.common.artifacts.run_record import STEP_RECORDS, RunRecords
from graft.components.common.runs.verdict import judge
from graft.components.common.steps import STEPS


def record(step, summary="done", status="succeeded", error=None, outcome=None):
    said = {"status": status, "error": error, "summary": summary, "started": "", "seconds": 1.0}
    return STEP_RECORDS[step](step=step, outcome=outcome, **said)


def until(step, summary="done", *how, **outcome):
    """The records of a run that came to a step."""
    before = STEPS[: STEPS.index(step)]
    evaluated = {"evaluate": record("evaluate", outcome=EVALUATED)} if "evaluate" in before else {}
    return RunRecords(
        **{name: record(name) for name in before} | evaluated | {step: record(step, summary, *how, **outcome)}
    )


ENDED = until("export")


def test_success():
    verdict = judge(ENDED)
    assert (verdict.outcome, verdict.accuracy, verdict.reason) == (Outcome.SUCCEEDED, 0.87, "export: done")
    assert verdict.outcome.good


def test_a_gate_that_decides_is_no_error():
    verdict = judge(until("gate", "accuracy too low", "failed", "GateFailedError"))
    assert (verdict.outcome, verdict.accuracy) == (Outcome.GATE_FAILED, 0.87)
    assert verdict.reason == "gate: accuracy too low"
    assert judge(until("gate", "no room", "failed", "OSError")).outcome is Outcome.FAILED


def test_a_step_without_a_record_failed_whatever_came_after():
    assert judge(RunRecords()).reason.startswith("resolve: left no record")
    # A killed step leaves no record, and the next one stumbles over what it left.
    later = ENDED.model_copy(update={"train": None})
    assert judge(later).reason.startswith("train: left no record")
    assert judge(later).outcome is Outcome.FAILED


def test_a_failed_step_says_why():
    assert judge(until("train", "no room", "failed", "OSError")).reason == "train: no room"


def test_a_step_that_was_told_to_end_is_no_failure():
    verdict = judge(until("train", "it was told to end", "cancelled", "KeyboardInterrupt"))
    assert (verdict.outcome, verdict.reason) == (Outcome.CANCELLED, "train: it was told to end")


def test_nothing_new_is_a_success():
    verdict = judge(until("resolve", "nothing new", outcome=ResolveResult(digest=UNCHANGED, source="")))
    assert (verdict.outcome, verdict.outcome.good, verdict.reason) == (Outcome.UNCHANGED, True, "resolve: nothing new")
