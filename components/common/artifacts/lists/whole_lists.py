"""Lists that grow with the images: a record has their first entries, and a Parquet file beside it has all, a row an entry."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from graft.components.common.artifacts.record import Part

if TYPE_CHECKING:
    import pyarrow as pa

MOST = 1_000
"""Of a longer list a record has so many entries."""
_ROWS = 2**14
_TEXTS = (
    "path",
    "label",
    "split",
    "reason",
    "version",
    "sha256",
    "twin",
    "twin_label",
    "twin_split",
    "twin_sha256",
    "source_label",
)


def _schema() -> "pa.Schema":
    """Returns the columns: which list, the fields of its entries, and `text` for entries that are texts."""
    import pyarrow as pa

    numbers = [("distance", pa.int32()), ("identical", pa.bool_()), ("dropped", pa.bool_())]
    return pa.schema([("list", pa.string()), *((name, pa.string()) for name in (*_TEXTS, "text")), *numbers])


def table_of(name: str, entries: Sequence[Part | str]) -> "pa.Table":
    """Returns a list as a table, a row an entry.

    Args:
        name: The list's name in its record.
        entries: Its entries.
    """
    import pyarrow as pa

    parts = [pa.RecordBatch.from_pylist([], _schema()), *_batches(name, entries)]
    return pa.Table.from_batches(parts)


def write_lists(path: Path, lists: Mapping[str, Sequence[Part | str]]) -> None:
    """Writes lists into one Parquet file, one after the other.

    Args:
        path: The file.
        lists: The lists by their names in the record.
    """
    import pyarrow.parquet as pq

    with pq.ParquetWriter(path, _schema()) as writer:
        for name, entries in lists.items():
            for batch in _batches(name, entries):
                writer.write_batch(batch)


def read_list(path: Path, name: str) -> "pa.Table":
    """Reads one list of a file that `write_lists` wrote.

    Args:
        path: The file.
        name: The list's name in its record.

    Raises:
        pyarrow.ArrowException: The file is damaged.
        OSError: It can't be read, or is damaged.
    """
    import pyarrow.parquet as pq

    return pq.read_table(path, schema=_schema(), filters=[("list", "=", name)], pre_buffer=False)


def _batches(name: str, entries: Sequence[Part | str]) -> "Iterator[pa.RecordBatch]":
    import pyarrow as pa

    for start in range(0, len(entries), _ROWS):
        rows = [
            {"list": name} | (entry.model_dump() if isinstance(entry, Part) else {"text": entry})
            for entry in entries[start : start + _ROWS]
        ]
        yield pa.RecordBatch.from_pylist(rows, _schema())
