"""How a run ended, told from its steps' records alone: what backends report can be wrong, and says too little."""

import dataclasses

from graft.components.common.artifacts.results import Outcome
from graft.components.common.artifacts.run_record import RunRecords, outcome_of
from graft.components.common.errors import GateFailedError
from graft.components.common.steps import STEPS

QUIET_RUNS = 4
"""Every Nth unchanged run in a row is told of; this is the N unless a profile says otherwise."""


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


def judge(records: RunRecords) -> Verdict:
    """Tells how a run that is over ended."""
    evaluated, ended, reason = outcome_of(records.evaluate), records.by_step(), ""
    accuracy, drift = (evaluated.metrics.accuracy, evaluated.drift) if evaluated else (None, ())
    for step in STEPS:
        if step not in ended:
            reason = f"{step}: left no record; it was killed, ran out of memory or never started: see its log"
            return Verdict(Outcome.FAILED, reason, accuracy, drift)
        record = ended[step]
        reason = f"{step}: {record.summary}"
        if record.status == "cancelled":
            return Verdict(Outcome.CANCELLED, reason, accuracy, drift)
        if record.status == "failed":
            at_the_gate = record.error == GateFailedError.__name__
            return Verdict(Outcome.GATE_FAILED if at_the_gate else Outcome.FAILED, reason, accuracy, drift)
        if step == "resolve" and records.unchanged:
            return Verdict(Outcome.UNCHANGED, reason)
    return Verdict(Outcome.SUCCEEDED, reason, accuracy, drift)
