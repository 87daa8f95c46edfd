"""What parts, or an ingest that was killed, found of images: they are not checked again."""

import contextlib
import logging
import re
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, NamedTuple

from graft.components.common import storage
from graft.components.common.artifacts.dataset import Shard
from graft.components.common.runs.run import Run
from graft.components.ingest.dataset.collected_rows import IndexRow
from graft.components.ingest.dataset.previous_dataset import shards_in_use
from graft.components.ingest.dataset.row_lookup import ImageRows, Rows
from graft.components.ingest.dataset.shards import shards_folder
from graft.components.ingest.images.decoding_pool import Undecodable
from graft.components.ingest.kept.row_file import FACTS, parse, remove, rows_folder, schema

if TYPE_CHECKING:
    import pyarrow as pa

log = logging.getLogger("graft")

_READ_AT_ONCE = 8
_NAME = re.compile(r"([0-9a-f]{64})\.parquet")


class _File(NamedTuple):
    """A file of rows: where it is, what is in it, and the shard of its images."""

    uri: str
    rows: "pa.Table"
    shard: Shard | None


class KeptRows:
    """The rows that the store keeps for a name. A file of them that is damaged is passed over, and the log says so.

    Args:
        run: The run, with a store.
        known: Shards that have numbers already, the first ones.
        held: Ends when this run's Dataset is in the store; till then `graft gc` is told that the shards are in use.

    Attributes:
        shards: The shards of the rows, but for those in `known`: they have the next numbers.

    Raises:
        GraftError: The store can't be read or written.
    """

    def __init__(self, run: Run, known: Sequence[Shard], held: contextlib.ExitStack) -> None:
        import pyarrow as pa
        import pyarrow.compute as pc

        self._files = _read(run)
        named = {file.shard.uri: file.shard for file in self._files if file.shard}
        numbers = {shard.name: number for number, shard in enumerate(known)}
        there = shards_in_use(list(named.values()), run.store, held) if named else []
        self.shards = [shard for shard in there if shard.name not in numbers]
        numbers |= {shard.name: len(known) + number for number, shard in enumerate(self.shards)}
        tables = [_with_shard(file.rows, file.shard) for file in self._files]
        table = pa.concat_tables(tables) if tables else _with_shard(schema().empty_table(), None)
        is_image = pc.is_valid(table["record"])
        self._images = ImageRows(table.filter(is_image), numbers)
        self._others = Rows(table.filter(pc.invert(is_image)).drop_columns("shard"), "path")

    def __len__(self) -> int:
        """How many files of rows there are."""
        return len(self._files)

    def find(self, path: str, version: str) -> tuple[IndexRow | Undecodable | str, int] | None:
        """Returns what was found of a file that is as it was, and how many bytes were read for it; None if nothing is known.

        Args:
            path: The file's path in the source.
            version: What changes when the file does; empty if nothing is known to.

        Returns:
            Of an image its row; of a file that is no usable image why; of one that is in an earlier dataset its digest.
        """
        if not version:
            return None
        if row := self._images.unchanged(path, version):
            return _index_row(row), row["bytes"]
        other = self._others.find(path)
        if other is None or other["version"] != version:
            return None
        return other["sha256"] or Undecodable(other["reason"], other["thumbnail"]), other["bytes"]

    def same_content(self, path: str, sha256: str) -> IndexRow | None:
        """Returns the row of an image with the same bytes, the one of the same path first; None if there is none."""
        row = self._images.same_content(path, sha256)
        return _index_row(row) if row else None

    def forget(self, used: Sequence[Shard]) -> None:
        """Removes the rows that a Dataset has now.

        Args:
            used: Its shards.
        """
        names = {shard.name for shard in used}
        remove(file.uri for file in self._files if file.shard is None or file.shard.name in names)


def _index_row(row: dict[str, Any]) -> IndexRow:
    return IndexRow(**{name: row[name] for name in (*FACTS, "shard")}, split="", label="")


def _with_shard(table: "pa.Table", shard: Shard | None) -> "pa.Table":
    import pyarrow as pa

    numbers = pa.array([0 if shard else None], pa.int32()).take(pa.array([0] * len(table), pa.int32()))
    names = pa.array([shard.name] if shard else [], pa.string())
    return table.append_column("shard", pa.DictionaryArray.from_arrays(numbers, names))


def _read(run: Run) -> list[_File]:
    """Reads all files of rows that are whole, in the order of their first paths: so are their images in a Dataset then."""
    import pyarrow as pa

    folder, shards = rows_folder(run), shards_folder(run.store)
    names = [found[1] for file in storage.list(folder) if (found := _NAME.fullmatch(file.path))]

    def read(name: str) -> _File | None:
        uri = f"{folder}/{name}.parquet"
        try:
            return _File(uri, *parse(storage.read(uri), name, shards))
        except storage.MissingError:  # another run has just come to its end
            return None
        except (storage.FileError, pa.ArrowException, OSError, ValueError) as error:
            log.warning("the rows in %s are passed over, and their images checked anew: %s", storage.redact(uri), error)
            return None

    with ThreadPoolExecutor(_READ_AT_ONCE) as readers:
        files = [file for file in readers.map(read, names) if file]
    return sorted(files, key=lambda file: (str(file.rows["path"][0]) if len(file.rows) else "", file.uri))
