"""How a run ended, told from its steps' records first, and from its backend only where a step left none."""

import dataclasses
from collections.abc import Collection, Mapping

from graft.components.common.artifacts.outcomes.results import Outcome, Result
from graft.components.common.artifacts.outcomes.run_record import RunRecords, StepRecord, outcome_of
from graft.components.common.errors import GateFailedError
from graft.components.common.steps import LAST_STEPS, STEPS, Step

QUIET_RUNS = 4
"""Every Nth unchanged run in a row is told of; this is the N unless a profile says otherwise."""

_KILLED = "left no record; it was killed, ran out of memory or never started: see its log"
_TOLD = "it was told to end before it was done, though nobody cancelled the run: its machine was taken away"


@dataclasses.dataclass(frozen=True)
class Verdict:
    """How a run ended, and why.

    Attributes:
        outcome: How it ended.
        reason: Why, in one sentence that names the step, or in a line for each of several reasons.
        accuracy: Accuracy on the evaluated split; None if the run did not get there.
        drift: In what the new images differ from those that the champion was made from.
    """

    outcome: Outcome
    reason: str
    accuracy: float | None = None
    drift: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True)
class Known:
    """What is known of a run besides its records.

    Attributes:
        cancelled: Whether somebody cancelled it; None if that is unknown.
        reasons: Why steps ended that left no record, as far as the backend tells.
        not_begun: The steps that the backend did not come to.
    """

    cancelled: bool | None = None
    reasons: Mapping[str, str] = dataclasses.field(default_factory=dict)
    not_begun: Collection[str] = ()


def judge(records: RunRecords, known: Known = Known()) -> Verdict:
    """Tells how a run that is over ended."""
    evaluated, ended = outcome_of(records.evaluate), records.by_step()
    accuracy, drift = (evaluated.metrics.accuracy, evaluated.drift) if evaluated else (None, ())
    told: list[str] = []
    for step in (*STEPS, *records.last_steps):
        record = ended.get(step)
        if record is None or record.status != "succeeded":
            outcome, reason = why(step, record, known)
            return Verdict(outcome, _with_what_stays(step, reason, records), accuracy, drift)
        said = f"{step}: {record.summary}"
        if step == "resolve" and records.unchanged:
            return Verdict(Outcome.UNCHANGED, said)
        if step == "export" or step in LAST_STEPS:
            told.append(said)
    return Verdict(Outcome.SUCCEEDED, "; ".join(told), accuracy, drift)


def _with_what_stays(step: Step, reason: str, records: RunRecords) -> str:
    """Adds to the reason why a last step did not succeed that the version was promoted all the same."""
    exported = outcome_of(records.export)
    if step not in LAST_STEPS or not exported or not exported.published.promoted:
        return reason
    return f"{reason.rstrip('.')}. Version {exported.version[:12]} was promoted all the same."


def why(step: Step, record: StepRecord[Result] | None, known: Known) -> tuple[Outcome, str]:
    """Returns how a run ended that went no further than a step, which may have left a record, and why."""
    if record and record.error == GateFailedError.__name__:
        return Outcome.GATE_FAILED, f"{step}: {record.summary}"
    if known.cancelled:
        return Outcome.CANCELLED, f"cancelled {'before' if step in known.not_begun else 'during'} {step}"
    if record and record.status == "failed":
        return Outcome.FAILED, f"{step}: {record.summary}"
    if record and known.cancelled is None:
        return Outcome.CANCELLED, f"{step}: {record.summary}"
    return Outcome.FAILED, f"{step}: {known.reasons.get(step) or (_TOLD if record else _KILLED)}"
