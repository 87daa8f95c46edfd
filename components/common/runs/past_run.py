"""What became of a run, told from its records."""

import dataclasses

from graft.components.common.artifacts.outcomes.results import Outcome, Result
from graft.components.common.artifacts.outcomes.run_record import RunRecords, StepRecord, outcome_of
from graft.components.common.errors import DamagedRecordError
from graft.components.common.runs.parts_progress import PartsProgress, parts_under_way
from graft.components.common.runs.run import Run
from graft.components.common.runs.step_record import read_notified, read_run, was_cancelled
from graft.components.common.runs.verdict import Known, judge

UNFINISHED = "unfinished"
"""The outcome of a run that no step of failed, and that its exit task has told no end of: it is under way, or was killed."""


@dataclasses.dataclass(frozen=True)
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
        progress: How far the parts of the step are that it is under way with; empty if that has none.
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
    progress: str = ""


def read_past_run(run: Run, written: str) -> PastRun:
    """Returns what became of a run; of one whose records are damaged, that it failed, with the file and the remedy as the reason.

    Args:
        run: The run.
        written: When its first record was written, ISO 8601 in UTC: when it began, if its records don't say.

    Raises:
        GraftError: The store can't be read.
    """
    try:
        records = read_run(run)
        cancelled = was_cancelled(run, records)
        unfinished = not cancelled and _outcome(records, judge(records).outcome) == UNFINISHED
        parts = parts_under_way(run, records) if unfinished else None
        over = unfinished and _is_over(read_notified(run), records, parts)
    except DamagedRecordError as error:
        return PastRun(run.run_id, written, Outcome.FAILED, str(error))
    return _describe(run.run_id, records, written, parts, cancelled=cancelled, over=over)


def _describe(
    run_id: str, records: RunRecords, written: str, parts: PartsProgress | None, *, cancelled: bool, over: bool
) -> PastRun:
    """Returns what became of a run.

    Args:
        run_id: Its identifier.
        records: Its records.
        written: When its first record was written, for a run of which no record says when it began.
        parts: How far the parts are of the step that it came to last.
        cancelled: Whether it was noted as cancelled.
        over: Whether its exit task has told its end.
    """
    ended = list(records.by_step().values())
    ingested, trained = outcome_of(records.ingest), outcome_of(records.train)
    evaluated, exported = outcome_of(records.evaluate), outcome_of(records.export)
    metrics = evaluated.metrics if evaluated else None
    champion = evaluated.comparisons.champion if evaluated else None
    lost: dict[str, str] = {parts.step: parts.lost} if parts and over else {}
    verdict = judge(records, Known(cancelled or None, lost))
    outcome = str(verdict.outcome if over else _outcome(records, verdict.outcome))
    progress = f"{parts.step}: {parts.text}" if parts and outcome == UNFINISHED else ""
    read = [result.bytes_read for result in (ingested, trained) if result]
    written_bytes = [result.bytes_written for result in (ingested, trained) if result]
    return PastRun(
        run=run_id,
        started=min((record.started for record in ended), default=written),
        outcome=outcome,
        reason=progress or verdict.reason,
        images=ingested.images if ingested else None,
        new=ingested.checked if ingested else None,
        computed=trained.computed if trained else None,
        accuracy=metrics.accuracy if metrics else None,
        accuracy_interval=metrics.accuracy_interval if metrics else None,
        difference=champion.difference if champion else None,
        difference_interval=champion.interval if champion else None,
        drift=verdict.drift,
        version=exported.version if exported else None,
        promoted=exported.published.promoted if exported and exported.published.uri else None,
        seconds=round(sum(record.seconds for record in ended), 3),
        bytes_read=_sum(read),
        bytes_written=_sum(written_bytes),
        progress=progress,
    )


def _sum(amounts: list[int | None]) -> int | None:
    known = [amount for amount in amounts if amount is not None]
    return sum(known) if known and len(known) == len(amounts) else None


def _is_over(notified: StepRecord[Result] | None, records: RunRecords, parts: PartsProgress | None) -> bool:
    """Whether a run's exit task came after all else, which it did not if the run was tried again."""
    before = [record.started for record in records.by_step().values()] + [
        record.updated for record in (parts.records if parts else ())
    ]
    return notified is not None and notified.started >= max(before, default="")


def _outcome(records: RunRecords, outcome: Outcome) -> Outcome | str:
    if outcome is Outcome.FAILED and all(record.status == "succeeded" for record in records.by_step().values()):
        return UNFINISHED
    return outcome
