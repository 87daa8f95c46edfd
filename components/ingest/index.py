"""The index of a dataset: a row an image, kept column by column, since a million images must fit into memory."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from graft.components.common.dataset import SPLITS

if TYPE_CHECKING:
    import pyarrow as pa

_ROWS_AT_ONCE = 1024


@dataclasses.dataclass(frozen=True, slots=True)
class Row:
    """What the index says of an image.

    Attributes:
        sha256: Digest of the source's bytes.
        path: Its path in the source.
        split: Its split.
        label: Its class.
        width: Width in pixels.
        height: Height in pixels.
        brightness: Mean luma, 0 to 255.
        phash: Perceptual hash, 16 hex digits.
        conversions: What was done to it, joined by commas.
        version: What changes when the file does, known without reading it; empty if nothing is.
        shard: Number of its shard.
        record: Number of its record in the shard.
        offset: Where that begins, in bytes.
    """

    sha256: str
    path: str
    split: str
    label: str
    width: int
    height: int
    brightness: float
    phash: str
    conversions: str
    version: str
    shard: int
    record: int
    offset: int


COLUMNS = tuple(field.name for field in dataclasses.fields(Row))


class Index:
    """Collects rows.

    Args:
        columns: Names of the columns that a manifest adds.
    """

    def __init__(self, columns: Sequence[str] = ()) -> None:
        import pyarrow as pa

        numbers = {"width": pa.int32(), "height": pa.int32(), "shard": pa.int32(), "record": pa.int32()}
        types = numbers | {"offset": pa.int64(), "brightness": pa.float32()}
        names = [*COLUMNS, *columns]
        self._schema = pa.schema([(name, types.get(name, pa.string())) for name in names])
        self._rows: list[tuple[Any, ...]] = []
        self._batches: list[Any] = []

    def add(self, row: Row, columns: Sequence[str] = ()) -> None:
        """Appends a row.

        Args:
            row: The row.
            columns: Its values in the columns that a manifest adds.
        """
        self._rows.append((*(getattr(row, name) for name in COLUMNS), *columns))
        if len(self._rows) == _ROWS_AT_ONCE:
            self._flush()

    def table(self) -> "pa.Table":
        """Returns all rows, in the order in which they came."""
        import pyarrow as pa

        self._flush()
        return pa.Table.from_batches(self._batches, self._schema)

    def _flush(self) -> None:
        import pyarrow as pa

        if self._rows:
            columns = zip(*self._rows, strict=True)
            arrays = [pa.array(values, field.type) for values, field in zip(columns, self._schema, strict=True)]
            self._batches.append(pa.RecordBatch.from_arrays(arrays, schema=self._schema))
            self._rows = []


def write_index(table: "pa.Table", shard_names: Sequence[str], path: Path) -> "pa.Table":
    """Writes the index, its rows in the order in which they are read: by split, shard and record.

    Args:
        table: The rows, their shards being numbers.
        shard_names: The shards' names by number.
        path: The Parquet file.

    Returns:
        What was written.
    """
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    place = pc.index_in(table["split"], pa.array(SPLITS))
    keys = pa.table({"split": place, "shard": table["shard"], "record": table["record"]})
    table = table.take(pc.sort_indices(keys, sort_keys=[(name, "ascending") for name in keys.column_names]))
    names = pa.array(shard_names, pa.string()).take(table["shard"].combine_chunks())
    table = table.set_column(table.column_names.index("shard"), "shard", names)
    pq.write_table(table, path)
    return table
