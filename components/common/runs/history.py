"""The runs of a name, from the records that their steps left in the store."""

import logging
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

from graft.components.common import storage
from graft.components.common.artifacts.outcomes.results import Outcome
from graft.components.common.artifacts.outcomes.run_record import RunRecords
from graft.components.common.errors import DamagedRecordError
from graft.components.common.runs.past_run import PastRun, read_past_run
from graft.components.common.runs.run import Run, check_name, is_safe_name
from graft.components.common.runs.step_record import read_run
from graft.components.common.runs.verdict import judge

log = logging.getLogger("graft")

_READERS = 16


def past_runs(store: str, name: str, before: str = "") -> dict[Run, float]:
    """Returns the runs of a name and when each wrote its first record (seconds since 1970), the newest first.

    Folders of which the name can't be a run's are not looked into.

    Args:
        store: Path or URI of the store.
        name: The model's name.
        before: Identifier of a run that is left out, being under way.

    Raises:
        GraftError: The store can't be read, or a model can't have that name.
    """
    check_name("name", name)
    folder = f"{store.rstrip('/')}/models/{name}/runs"
    began: dict[str, float] = {}
    for file in storage.list(folder):
        run_id = file.path.rpartition("/")[0]
        if file.name.endswith(".json") and is_safe_name(run_id) and run_id != before:
            began[run_id] = min(file.written_at, began.get(run_id, float("inf")))
    newest = sorted(began, key=lambda run_id: (began[run_id], run_id), reverse=True)
    return {Run(store, name, run_id): began[run_id] for run_id in newest}


def last_decided(store: str, name: str, before: str = "") -> tuple[Run, RunRecords] | None:
    """Returns the last run that came to a decision about its model, which a failed gate is as well, and its records.

    What a run of which the records are damaged decided is not known: then none is returned, and the log says so.

    Args:
        store: Path or URI of the store.
        name: The model's name.
        before: Identifier of the run that asks, which is left out; empty for none.

    Raises:
        GraftError: The store can't be read.
    """
    for run in past_runs(store, name, before):
        try:
            if _found_nothing_new(run):
                continue
            records = read_run(run)
        except DamagedRecordError as error:
            log.warning("what run %s decided is not known, so this one goes on: %s", run.run_id, error)
            return None
        if judge(records).outcome in (Outcome.SUCCEEDED, Outcome.GATE_FAILED):
            return run, records
    return None


def unchanged_in_a_row(run: Run) -> int:
    """Returns how many runs of a name, this one the last, are known to have found nothing new.

    At a run of which the record is damaged the count ends, and the log says so.

    Raises:
        GraftError: The store can't be read.
    """
    count = 0
    for past in past_runs(run.store, run.name):
        try:
            if not _found_nothing_new(past):
                break
        except DamagedRecordError as error:
            log.warning("earlier runs that found nothing new are not counted: %s", error)
            break
        count += 1
    return count


def _found_nothing_new(run: Run) -> bool:
    """Whether that was all; of a year of such runs only this one record is read."""
    return read_run(run, ("resolve",)).unchanged


def read_history(store: str, name: str) -> list[PastRun]:
    """Returns what became of all runs of a name, the oldest first.

    A run whose records are damaged is told of as failed, with the file and the remedy as its reason.

    Raises:
        GraftError: The store can't be read, or a model can't have that name.
    """
    runs = past_runs(store, name)
    written = (datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds") for seconds in runs.values())
    with ThreadPoolExecutor(_READERS) as threads:
        return sorted(threads.map(read_past_run, runs, written), key=lambda run: (run.started, run.run))
