"""The Dataset that an earlier run made of the same source: what it knows is not worked out again, and its splits bind."""

import dataclasses
import tempfile
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from graft.components.common import storage
from graft.components.common.dataset import INDEX, RECORD, shard_name
from graft.components.common.errors import GraftError
from graft.components.common.records import read_record
from graft.components.common.runs import Run
from graft.components.common.transfer import fetch
from graft.components.ingest.index import COLUMNS, Row
from graft.components.ingest.shards import shards_folder


class Previous:
    """An earlier Dataset.

    Args:
        uri: Path or URI of its folder.
        store: Path or URI of the store that this run keeps its shards in; empty for none.

    Attributes:
        shards: Entries of its shards that lie in that store, to be used again.

    Raises:
        GraftError: It is no finished Dataset, or is damaged.
    """

    def __init__(self, uri: str, store: str) -> None:
        with tempfile.TemporaryDirectory(prefix="graft-previous-") as scratch:
            index = fetch(f"{uri.rstrip('/')}/{INDEX}", Path(scratch), keep=False)
            record = fetch(f"{uri.rstrip('/')}/{RECORD}", Path(scratch), keep=False)
            content = read_record(record.parent, RECORD)
            try:
                self._table = pq.read_table(index, columns=list(COLUMNS))
                rows = self._table.select(["path", "sha256"]).to_pydict()
            except (pa.ArrowException, OSError, KeyError) as error:
                raise GraftError(
                    f"{storage.redact(uri)} is damaged ({type(error).__name__}): ingest anew without it."
                ) from error
        self._by_path = {path: number for number, path in enumerate(rows["path"])}
        self._by_content = {sha256: number for number, sha256 in enumerate(rows["sha256"])}
        self._apart = {entry["sha256"]: entry for entry in content["excluded"] if "twin" in entry}
        stored = _stored_shards(store) if store else set()
        self.shards = [entry for entry in content["shards"] if entry["uri"] in stored]
        self._numbers = {shard_name(entry["uri"]): number for number, entry in enumerate(self.shards)}

    def unchanged(self, path: str, version: str) -> Row | None:
        """Returns the row of a file that is as it was, without its having been read; None if it has to be.

        Args:
            path: The file's path in the source.
            version: What changes when the file does; empty if nothing is known to.
        """
        number = self._by_path.get(path) if version else None
        row = None if number is None else self._row(number)
        return row if row and row.version == version else None

    def same_content(self, sha256: str) -> Row | None:
        """Returns the row of an image with the same bytes, if its shard can be used again.

        Args:
            sha256: Digest of the bytes.
        """
        number = self._by_content.get(sha256)
        return None if number is None else self._row(number)

    def split(self, sha256: str) -> str | None:
        """Returns the split that an image was in; None for one that is new.

        Args:
            sha256: Digest of its bytes.
        """
        number = self._by_content.get(sha256)
        return None if number is None else str(self._table["split"][number].as_py())

    def left_out(self, sha256: str) -> dict[str, Any] | None:
        """Returns why an image was left out for being another one's twin; None if it was not.

        Args:
            sha256: Digest of its bytes.
        """
        return self._apart.get(sha256)

    def _row(self, number: int) -> Row | None:
        values = self._table.slice(number, 1).to_pylist()[0]
        shard = self._numbers.get(values["shard"])
        return None if shard is None else dataclasses.replace(Row(**values), shard=shard)


def _stored_shards(store: str) -> set[str]:
    folder = shards_folder(store)
    return {f"{folder}/{shard_name(path)}" for path, _ in storage.list_files(folder, ".tfrecord")}


def keep_for_next(output: Path, run: Run) -> None:
    """Copies a Dataset's record and index to its run's folder in the store, where the next run finds them.

    Args:
        output: The Dataset.
        run: The run.

    Raises:
        GraftError: The store can't be written.
    """
    for name in (INDEX, RECORD):
        storage.write_file(f"{run.folder}/{name}", (output / name).read_bytes())


def latest_dataset(run: Run) -> str:
    """Returns the folder of the newest Dataset of a name that its store knows; empty if there is none.

    Args:
        run: A run of that name.

    Raises:
        GraftError: The store can't be read.
    """
    if not run.store:
        return ""
    runs = run.folder.rpartition("/")[0]
    found = {path: entry for path, entry in storage.list_tree(runs).items() if path.endswith(f"/{RECORD}")}
    if not found:
        return ""
    newest = max(found, key=lambda path: (storage.written_at(found[path]), path))
    fs, _ = storage.filesystem(runs)
    return str(fs.unstrip_protocol(newest)).removeprefix("file://").rpartition("/")[0]
