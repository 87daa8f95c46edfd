"""The runs of a name, from the records that their steps left in the store."""

from graft.components.common import storage
from graft.components.common.outcome import UNCHANGED, Outcome, judge
from graft.components.common.runs import Run, StepRecords, read_run

_FIRST = "resolve.json"


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
        if (read_run(past).get("resolve", {}).get("outcome") or {}).get("digest") != UNCHANGED:
            break
        count += 1
    return count
