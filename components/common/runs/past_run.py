"""What became of a run, told from its records."""

import dataclasses

from graft.components.common.artifacts.outcomes.results import Outcome
from graft.components.common.artifacts.outcomes.run_record import RunRecords, outcome_of
from graft.components.common.errors import DamagedRecordError
from graft.components.common.runs.run import Run
from graft.components.common.runs.step_record import read_run, was_cancelled
from graft.components.common.runs.verdict import Known, judge

UNFINISHED = "unfinished"
"""The outcome of a run that no step of failed, and that did not come to its end: it is under way, or was killed."""


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
    try:
        records = read_run(run)
        cancelled = was_cancelled(run, records)
    except DamagedRecordError as error:
        return PastRun(run.run_id, written, Outcome.FAILED, str(error))
    return describe(run.run_id, records, written, cancelled=cancelled)


def describe(run_id: str, records: RunRecords, written: str = "", *, cancelled: bool = False) -> PastRun:
    """Returns what became of a run.

    Args:
        run_id: Its identifier.
        records: Its records.
        written: When its first record was written, for a run of which no record says when it began.
        cancelled: Whether it was noted as cancelled.
    """
    ended = list(records.by_step().values())
    ingested, trained = outcome_of(records.ingest), outcome_of(records.train)
    evaluated, exported = outcome_of(records.evaluate), outcome_of(records.export)
    metrics = evaluated.metrics if evaluated else None
    champion = evaluated.comparisons.champion if evaluated else None
    verdict = judge(records, Known(cancelled=cancelled or None))
    read = [result.bytes_read for result in (ingested, trained) if result]
    written_bytes = [result.bytes_written for result in (ingested, trained) if result]
    return PastRun(
        run=run_id,
        started=min((record.started for record in ended), default=written),
        outcome=str(_outcome(records, verdict.outcome)),
        reason=verdict.reason,
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
    )


def _sum(amounts: list[int | None]) -> int | None:
    known = [amount for amount in amounts if amount is not None]
    return sum(known) if known and len(known) == len(amounts) else None


def _outcome(records: RunRecords, outcome: Outcome) -> Outcome | str:
    if outcome is Outcome.FAILED and all(record.status == "succeeded" for record in records.by_step().values()):
        return UNFINISHED
    return outcome
