"""What the parts of steps leave in a store: lists of work, records and packs in their run's folder, and rows of images beside the runs."""

import re
from collections.abc import Collection, Iterable

from graft.components.common import storage
from graft.components.common.artifacts.dataset import Dataset
from graft.components.common.storage import Entry
from graft.components.ingest.kept.row_file import AboutRows

# Paths within a store, as the steps write them.
_PARTS = re.compile(r"(?P<run>models/[^/]+/runs/[^/]+)/parts/(?P<step>[^/]+)/(?P<file>.+)")
_ROWS = re.compile(r"models/[^/]+/rows/[^/]+")
_RECORD = re.compile(r"(plan|[1-9][0-9]*)\.json")


def parts_reason(path: str, there: Collection[str], old_runs: Collection[str]) -> str:
    """Returns why a file of some age that parts left can go; empty if it stays, or is none.

    Args:
        path: Its path within the store.
        there: The paths of all files.
        old_runs: The folders of runs that are not recent.
    """
    if _ROWS.fullmatch(path):
        return "rows of images that no ingest came to use"
    if not (found := _PARTS.fullmatch(path)):
        return ""
    if f"{found['run']}/{found['step']}.json" not in there:
        return "left over from a killed run"
    if not _RECORD.fullmatch(found["file"]):
        return "what parts left to a step that has ended"
    is_old = found["run"] in old_runs or f"{found['run']}/{Dataset.FILE}" not in there
    return "records of an old run's parts" if is_old else ""


def shards_of_rows(files: Iterable[Entry]) -> set[str]:
    """Returns the names of the shards that kept rows refer to. What no ingest can read counts as nothing, as it does there.

    Args:
        files: The files of a store, from which those of rows are taken.

    Raises:
        GraftError: The store can't be read.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    names: set[str] = set()
    for entry in files:
        if not _ROWS.fullmatch(entry.path):
            continue
        try:
            with storage.open(entry.uri) as file, pq.ParquetFile(file) as rows:
                shard = AboutRows.of(rows.metadata).shard
        except (storage.MissingError, pa.ArrowException, ValueError):  # the first: an ingest has just used it
            continue
        if shard:
            names.add(shard.name)
    return names
