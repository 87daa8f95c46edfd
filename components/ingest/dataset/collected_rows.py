"""The rows of the index as they are collected: in a temporary file, column by column, since there may be a million."""

import dataclasses
from collections.abc import Iterator, Sequence
from typing import IO, TYPE_CHECKING, Any

import numpy as np

from graft.components.common.compute.likeness.miniatures import SIDE
from graft.components.ingest.dataset.table_writer import ROWS_A_GROUP, TableWriter

if TYPE_CHECKING:
    import pyarrow as pa

_DIGEST_BYTES = 32


@dataclasses.dataclass(frozen=True, slots=True)
class IndexRow:
    """What the index says of an image.

    Attributes:
        sha256: Digest of the source's bytes.
        path: Its path in the source.
        split: Its split; empty for one that is left out by a correction.
        label: Its class.
        width: Width in pixels.
        height: Height in pixels.
        brightness: Mean luma, 0 to 255.
        phash: Perceptual hash, 16 hex digits.
        miniature: Its miniature, a byte a pixel, row by row.
        conversions: What was done to it, joined by commas.
        version: What changes when the file does, known without reading it; empty if nothing is.
        shard: Number of its shard.
        record: Number of its record in the shard.
        offset: Where that begins, in bytes.
        label_kept: Whether a person decided on its label.
    """

    sha256: str
    path: str
    split: str
    label: str
    width: int
    height: int
    brightness: float
    phash: str
    miniature: bytes
    conversions: str
    version: str
    shard: int
    record: int
    offset: int
    label_kept: bool = False


# The digest comes first.
COLUMNS = tuple(field.name for field in dataclasses.fields(IndexRow))


class RowWriter(TableWriter):
    """Writes rows to a temporary file as they come: a context manager.

    Args:
        file: The open file.
        columns: Names of the columns that a manifest adds.
    """

    def __init__(self, file: IO[bytes], columns: Sequence[str] = ()) -> None:
        import pyarrow as pa

        types = column_types() | {"sha256": pa.binary(_DIGEST_BYTES)}
        super().__init__(file, pa.schema([(name, types.get(name, pa.string())) for name in (*COLUMNS, *columns)]))

    def add(self, row: IndexRow, columns: Sequence[str] = ()) -> None:
        """Appends a row, with its values in the columns that a manifest adds.

        Raises:
            GraftError: The file can't be written.
        """
        others = (getattr(row, name) for name in COLUMNS[1:])
        self.append((bytes.fromhex(row.sha256), *others, *columns))


def column_types() -> "dict[str, pa.DataType]":
    """Returns the types of those columns of `IndexRow` that are no text."""
    import pyarrow as pa

    numbers = {"width": pa.int32(), "height": pa.int32(), "shard": pa.int32(), "record": pa.int32()}
    types = numbers | {"offset": pa.int64(), "brightness": pa.float32()}
    return types | {"label_kept": pa.bool_(), "miniature": pa.binary(SIDE**2)}


class CollectedRows:
    """The rows that were collected, of which only what is asked for is in memory.

    Args:
        file: The open file that `RowWriter` wrote.

    Attributes:
        schema: The columns: those of `IndexRow`, the digest as bytes, and a manifest's.
    """

    def __init__(self, file: IO[bytes]) -> None:
        import pyarrow.parquet as pq

        self._reader = pq.ParquetFile(file, pre_buffer=False)
        self.schema: pa.Schema = self._reader.schema_arrow

    def __len__(self) -> int:
        return int(self._reader.metadata.num_rows)

    def batches(self, *names: str) -> "Iterator[pa.RecordBatch]":
        """Yields all rows of some columns, a few thousand at a time."""
        yield from self._reader.iter_batches(ROWS_A_GROUP, columns=names, use_threads=False)

    def take(self, numbers: "np.ndarray[Any, Any]", *names: str) -> "pa.Table":
        """Returns some rows.

        Args:
            numbers: int [N] the rows' numbers, in the order in which they are wanted.
            names: The names of the columns that are wanted.
        """
        import pyarrow as pa

        order = np.argsort(numbers, kind="stable")
        groups, within = np.divmod(numbers[order], ROWS_A_GROUP)
        parts = [
            self._reader.read_row_group(group, list(names), use_threads=False).take(pa.array(within[groups == group]))
            for group in np.unique(groups).tolist()
        ]
        place = np.empty(len(order), np.int64)
        place[order] = np.arange(len(order))
        tables = [part.select(names) for part in (self.schema.empty_table(), *parts)]
        return pa.concat_tables(tables).combine_chunks().take(pa.array(place))
