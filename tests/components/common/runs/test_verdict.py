"""How a run ended is told from its records alone."""

import pytest
from run_records import EVALUATED

from graft.components.common.artifacts.outcomes.results import (
    UNCHANGED,
    ExportResult,
    Outcome,
    Published,
    ResolveResult,
)
from graft.components.common.artifacts.outcomes.run_record import STEP_RECORDS, RunRecords
from graft.components.common.runs.verdict import Known, judge
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


VERSION = "0123456789abcdef" * 4


def with_last_steps(*records, promoted=True):
    """The records of a run that was to deploy and mirror, with the records of the last steps that ended."""
    resolved = ResolveResult(digest="0123", source="", last_steps=("deploy", "mirror"))
    published = Published(uri="gs://b/models/pets/versions/0", promoted=promoted, reason="" if promoted else "held")
    exported = ExportResult(path="", version=VERSION, formats=(), max_difference=0.0, published=published)
    known = {"resolve": record("resolve", outcome=resolved), "export": record("export", "made", outcome=exported)}
    return ENDED.model_copy(update=known | {one.step: one for one in records})


def test_a_run_with_last_steps_tells_what_came_of_each():
    verdict = judge(with_last_steps(record("deploy", "moved"), record("mirror", "copied")))
    assert (verdict.outcome, verdict.reason) == (Outcome.SUCCEEDED, "export: made; deploy: moved; mirror: copied")


def test_a_deployment_that_failed_fails_the_run_and_the_version_stays_promoted():
    failed = record("deploy", "it doesn't come up: see its log.", "failed", "GraftError")
    verdict = judge(with_last_steps(failed))
    assert (verdict.outcome, verdict.accuracy) == (Outcome.FAILED, 0.87)
    promoted = "Version 0123456789ab was promoted all the same."
    assert verdict.reason == f"deploy: it doesn't come up: see its log. {promoted}"
    assert "promoted" not in judge(with_last_steps(failed, promoted=False)).reason


@pytest.mark.parametrize("killed", ["deploy", "mirror"])
def test_a_last_step_that_was_killed_is_not_taken_for_one_that_the_run_does_not_have(killed):
    others = [record(step) for step in ("deploy", "mirror") if step != killed]
    verdict = judge(with_last_steps(*others))
    assert verdict.outcome is Outcome.FAILED
    assert verdict.reason.startswith(f"{killed}: left no record; it was killed")
    assert verdict.reason.endswith("see its log. Version 0123456789ab was promoted all the same.")


def test_a_run_that_was_cancelled_while_it_deployed():
    verdict = judge(with_last_steps(), Known(cancelled=True))
    assert verdict.outcome is Outcome.CANCELLED
    assert verdict.reason == "cancelled during deploy. Version 0123456789ab was promoted all the same."
