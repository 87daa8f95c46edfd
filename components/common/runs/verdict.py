"""How a run ended, told from its steps' records alone: what backends report can be wrong, and says too little."""

import dataclasses
from enum import StrEnum

from graft.components.common.errors import GateFailedError
from graft.components.common.runs.step_record import STEPS, StepRecords

UNCHANGED = "unchanged"
"""What resolve returns in place of a digest where there is nothing new to train on."""

QUIET_RUNS = 4
"""Of runs that found nothing new, only every so many in a row are told of, unless a profile says otherwise."""


class Outcome(StrEnum):
    """How a run ended."""

    SUCCEEDED = "succeeded"
    UNCHANGED = "unchanged"
    GATE_FAILED = "gate failed"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def good(self) -> bool:
        """Whether nobody has to look."""
        return self in (Outcome.SUCCEEDED, Outcome.UNCHANGED)


@dataclasses.dataclass(frozen=True)
class Verdict:
    """How a run ended, and why.

    Attributes:
        outcome: How it ended.
        reason: Why, in one sentence that names the step.
        accuracy: Accuracy on the evaluated split; None if the run did not get there.
        drift: In what the new images differ from those that the champion was made from.
    """

    outcome: Outcome
    reason: str
    accuracy: float | None = None
    drift: tuple[str, ...] = ()


def judge(records: StepRecords) -> Verdict:
    """Tells how a run that is over ended.

    Args:
        records: Its records, by step, as `read_run` returns them.
    """
    outcomes = {step: record["outcome"] or {} for step, record in records.items()}
    accuracy = outcomes.get("evaluate", {}).get("metrics", {}).get("accuracy")
    drift = tuple(outcomes.get("evaluate", {}).get("drift") or ())
    for step in STEPS:
        if step not in records:
            reason = f"{step}: ended without a word; it was killed, ran out of memory or never started: see its log"
            return Verdict(Outcome.FAILED, reason, accuracy, drift)
        reason = f"{step}: {records[step]['summary']}"
        if records[step]["status"] != "succeeded":
            at_the_gate = records[step]["error"] == GateFailedError.__name__
            return Verdict(Outcome.GATE_FAILED if at_the_gate else Outcome.FAILED, reason, accuracy, drift)
        if step == "resolve" and outcomes[step].get("digest") == UNCHANGED:
            return Verdict(Outcome.UNCHANGED, reason)
    return Verdict(Outcome.SUCCEEDED, reason, accuracy, drift)
