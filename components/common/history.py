"""The runs of a name, from the records that their steps left in the store."""

import dataclasses
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from graft.components.common import storage
from graft.components.common.errors import GraftError
from graft.components.common.outcome import UNCHANGED, Outcome, judge
from graft.components.common.runs import Run, StepRecords, read_run, read_step

_FIRST = "resolve.json"
_READERS = 16
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


def past_runs(store: str, name: str, before: str = "") -> list[Run]:
    """Returns the runs of a name, the newest first.

    Args:
        store: Path or URI of the store.
        name: The model's name.
        before: Identifier of a run that is left out, being under way.

    Raises:
        GraftError: The store can't be read.
    """
    folder = f"{store.rstrip('/')}/models/{name}/runs"
    began = {
        path.split("/")[-2]: storage.written_at(entry)
        for path, entry in storage.list_tree(folder).items()
        if path.endswith(f"/{_FIRST}")
    }
    newest = sorted(began, key=lambda run_id: (began[run_id], run_id), reverse=True)
    return [Run(store, name, run_id) for run_id in newest if run_id != before]


def last_decided(store: str, name: str, before: str = "") -> tuple[Run, StepRecords] | None:
    """Returns the last run that came to a decision about its model, which a failed gate is as well, and its records.

    Args:
        store: Path or URI of the store.
        name: The model's name.
        before: Identifier of the run that asks.

    Raises:
        GraftError: The store can't be read, or a record is damaged.
    """
    for run in past_runs(store, name, before):
        if _found_nothing_new(run):
            continue
        records = read_run(run)
        if judge(records).outcome in (Outcome.SUCCEEDED, Outcome.GATE_FAILED):
            return run, records
    return None


def unchanged_in_a_row(run: Run) -> int:
    """Returns how many runs of a name, this one the last, found nothing new.

    Args:
        run: A run.

    Raises:
        GraftError: The store can't be read, or a record is damaged.
    """
    count = 0
    for past in past_runs(run.store, run.name):
        if not _found_nothing_new(past):
            break
        count += 1
    return count


def _found_nothing_new(run: Run) -> bool:
    """Whether that was all; of a year of such runs only this one record is read."""
    resolved = read_step(run, "resolve") or {}
    return (resolved.get("outcome") or {}).get("digest") == UNCHANGED


def read_history(store: str, name: str) -> list[PastRun]:
    """Returns what became of all runs of a name, the oldest first.

    A run whose records are damaged is told of as failed, with the file and the remedy as its reason.

    Args:
        store: Path or URI of the store.
        name: The model's name.

    Raises:
        GraftError: The store can't be read.
    """
    with ThreadPoolExecutor(_READERS) as threads:
        return list(threads.map(_read, reversed(past_runs(store, name))))


def _read(run: Run) -> PastRun:
    try:
        records = read_run(run)
        return describe(run.run_id, records)
    except GraftError as error:
        return PastRun(run.run_id, "", Outcome.FAILED, str(error))
    except (KeyError, TypeError, AttributeError) as error:
        return PastRun(run.run_id, "", Outcome.FAILED, f"its records are damaged or another Graft's ({error!r})")


def describe(run_id: str, records: StepRecords) -> PastRun:
    """Returns what became of a run.

    Args:
        run_id: Its identifier.
        records: Its records, as `read_run` returns them.
    """
    outcomes: dict[str, dict[str, Any]] = {step: record["outcome"] or {} for step, record in records.items()}
    ingested, evaluated, exported = (outcomes.get(step, {}) for step in ("ingest", "evaluate", "export"))
    verdict = judge(records)
    unfinished = verdict.outcome is Outcome.FAILED and all(
        record["status"] == "succeeded" for record in records.values()
    )
    metrics, champion = evaluated.get("metrics") or {}, (evaluated.get("comparisons") or {}).get("champion") or {}
    counts = ingested.get("counts") or {}
    published = exported.get("published") or {}
    return PastRun(
        run=run_id,
        started=min((record["started"] for record in records.values()), default=""),
        outcome=UNFINISHED if unfinished else verdict.outcome,
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
    )


def _pair(interval: Any) -> tuple[float, float] | None:
    return None if interval is None else (interval[0], interval[1])
