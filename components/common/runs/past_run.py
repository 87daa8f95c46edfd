"""What became of a run, told from its records."""

from typing import Any

from pydantic import ConfigDict, ValidationError
from pydantic.dataclasses import dataclass

from graft.components.common.errors import DamagedRecordError
from graft.components.common.runs.step_record import Run, StepRecords, read_run, was_cancelled
from graft.components.common.runs.verdict import Outcome, judge

UNFINISHED = "unfinished"
"""The outcome of a run that no step of failed, and that did not come to its end: it is under way, or was killed."""


@dataclass(frozen=True, config=ConfigDict(strict=True, allow_inf_nan=False))
class PastRun:
    """What became of a run. Of what it did not get to, or what an older Graft did not note, None.

    Attributes:
        run: Its identifier.
        started: When it began, ISO 8601 in UTC; empty if unknown.
        outcome: How it ended: an `Outcome`, or `unfinished`.
        reason: Why, in one sentence.
        images: Images of its dataset.
        new: Images that were read, decoded and checked.
        computed: Images that went through the backbone for the training.
        accuracy: Accuracy on the evaluated split.
        accuracy_interval: Its 95% interval.
        difference: How much more accurate it is than the champion, on the same images.
        difference_interval: The 95% interval of that.
        drift: In what the new images differ from those of the champion.
        version: The version that it exported.
        promoted: Whether that became the latest.
        seconds: Seconds of all steps together.
        bytes_read: Bytes of images, shards and features that ingest and train read.
        bytes_written: Bytes of shards and features that they wrote.
    """

    run: str
    started: str
    outcome: str
    reason: str
    images: int | None = None
    new: int | None = None
    computed: int | None = None
    accuracy: float | None = None
    accuracy_interval: tuple[float, float] | None = None
    difference: float | None = None
    difference_interval: tuple[float, float] | None = None
    drift: tuple[str, ...] = ()
    version: str | None = None
    promoted: bool | None = None
    seconds: float = 0.0
    bytes_read: int | None = None
    bytes_written: int | None = None


def read_past_run(run: Run, written: str) -> PastRun:
    """Returns what became of a run; of one whose records are damaged, that it failed, with the file and the remedy as the reason.

    Args:
        run: The run.
        written: When its first record was written, ISO 8601 in UTC: when it began, if its records don't say.

    Raises:
        GraftError: The store can't be read.
    """
    cancelled = was_cancelled(run)
    try:
        records = read_run(run)
    except DamagedRecordError as error:
        return PastRun(run.run_id, written, Outcome.FAILED, str(error))
    try:
        return describe(run.run_id, records, written, cancelled=cancelled)
    except (ValidationError, KeyError, TypeError, AttributeError, IndexError) as error:
        said = " ".join(str(error).split())
        reason = f"the records in {run.folder} are damaged or another program's ({type(error).__name__}: {said}): remove them"
        return PastRun(run.run_id, written, Outcome.FAILED, reason)


def describe(run_id: str, records: StepRecords, written: str = "", *, cancelled: bool = False) -> PastRun:
    """Returns what became of a run.

    Args:
        run_id: Its identifier.
        records: Its records, as `read_run` returns them.
        written: When its first record was written, for a run of which no record says when it began.
        cancelled: Whether it was noted as cancelled.

    Raises:
        ValidationError, KeyError, TypeError, AttributeError, IndexError: A record's outcome is not what a step writes.
    """
    outcomes: dict[str, dict[str, Any]] = {step: record["outcome"] or {} for step, record in records.items()}
    ingested, evaluated, exported = (outcomes.get(step, {}) for step in ("ingest", "evaluate", "export"))
    metrics, champion = evaluated.get("metrics") or {}, (evaluated.get("comparisons") or {}).get("champion") or {}
    counts = ingested.get("counts") or {}
    published = exported.get("published") or {}
    verdict = judge(records)
    return PastRun(
        run=run_id,
        started=min((record["started"] for record in records.values()), default=written),
        outcome=str(_outcome(records, verdict.outcome, cancelled=cancelled)),
        reason=verdict.reason,
        images=sum(sum(classes.values()) for classes in counts.values()) if ingested else None,
        new=ingested.get("checked"),
        computed=outcomes.get("train", {}).get("computed"),
        accuracy=metrics.get("accuracy"),
        accuracy_interval=_pair(metrics.get("accuracy_interval")),
        difference=champion.get("difference"),
        difference_interval=_pair(champion.get("interval")),
        drift=verdict.drift,
        version=exported.get("version"),
        promoted=published.get("promoted") if published.get("uri") else None,
        seconds=round(sum(record["seconds"] for record in records.values()), 3),
        bytes_read=_moved(outcomes, "bytes_read"),
        bytes_written=_moved(outcomes, "bytes_written"),
    )


def _moved(outcomes: dict[str, dict[str, Any]], field: str) -> int | None:
    amounts: list[Any] = [outcomes[step].get(field) for step in ("ingest", "train") if outcomes.get(step)]
    return sum(amounts) if amounts and None not in amounts else None


def _outcome(records: StepRecords, outcome: Outcome, *, cancelled: bool) -> Outcome | str:
    if cancelled and not outcome.good:
        return Outcome.CANCELLED
    if outcome is Outcome.FAILED and all(record["status"] == "succeeded" for record in records.values()):
        return UNFINISHED
    return outcome


def _pair(interval: Any) -> tuple[float, float] | None:
    return None if interval is None else (interval[0], interval[1])
