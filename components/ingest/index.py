"""The index of a dataset: a row an image, kept column by column, since a million images must fit into memory."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from graft.components.common.dataset import SPLITS

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

_ROWS_AT_ONCE = 1024
_BATCHES_A_TABLE = 16
_ROWS_A_GROUP = 4 * 1024
_DIGEST_BYTES = 32


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


# The digest comes first.
COLUMNS = tuple(field.name for field in dataclasses.fields(Row))


class Index:
    """Collects rows.

    Args:
        columns: Names of the columns that a manifest adds.
    """

    def __init__(self, columns: Sequence[str] = ()) -> None:
        import pyarrow as pa

        numbers = {"width": pa.int32(), "height": pa.int32(), "shard": pa.int32(), "record": pa.int32()}
        types = numbers | {"offset": pa.int64(), "brightness": pa.float32(), "sha256": pa.binary(_DIGEST_BYTES)}
        names = [*COLUMNS, *columns]
        self._schema = pa.schema([(name, types.get(name, pa.string())) for name in names])
        self._rows: list[tuple[Any, ...]] = []
        self._batches: list[Any] = []
        self._tables: list[pa.Table] = []

    def add(self, row: Row, columns: Sequence[str] = ()) -> None:
        """Appends a row.

        Args:
            row: The row.
            columns: Its values in the columns that a manifest adds.
        """
        others = (getattr(row, name) for name in COLUMNS[1:])
        self._rows.append((bytes.fromhex(row.sha256), *others, *columns))
        if len(self._rows) == _ROWS_AT_ONCE:
            self._flush()

    def table(self) -> "pa.Table":
        """Returns all rows, in the order in which they came; the digests are bytes, which take half the memory."""
        import pyarrow as pa

        self._flush()
        self._join()
        return pa.concat_tables([self._schema.empty_table(), *self._tables])

    def _flush(self) -> None:
        import pyarrow as pa

        if self._rows:
            columns = zip(*self._rows, strict=True)
            arrays = [pa.array(values, field.type) for values, field in zip(columns, self._schema, strict=True)]
            self._batches.append(pa.RecordBatch.from_arrays(arrays, schema=self._schema))
            self._rows = []
            if len(self._batches) == _BATCHES_A_TABLE:
                self._join()

    def _join(self) -> None:
        """Joins small batches, since memory in small pieces is not given back when they are gone."""
        import pyarrow as pa

        self._tables.append(pa.Table.from_batches(self._batches, self._schema).combine_chunks())
        self._batches = []


def write_index(
    table: "pa.Table", splits: "np.ndarray[Any, Any]", shard_names: Sequence[str], path: Path, *, left_out: bool = False
) -> None:
    """Writes the index of the images that stay, in the order in which they are read: by split, shard and record.

    Args:
        table: The rows, their shards being numbers.
        splits: int [N], index of each image's split in SPLITS; -1 for one that is left out.
        shard_names: The shards' names by number.
        path: The Parquet file.
        left_out: Whether to write the images that are left out instead; their split is empty.
    """
    import numpy as np
    import pyarrow as pa
    import pyarrow.parquet as pq

    shards = table["shard"].to_numpy()
    order = np.lexsort((table["record"].to_numpy(), shards, splits))
    order = order[(splits[order] < 0) == left_out]
    schema = table.schema
    for name in ("sha256", "shard"):
        schema = schema.set(table.column_names.index(name), pa.field(name, pa.string()))
    with pq.ParquetWriter(path, schema) as writer:
        for start in range(0, len(order), _ROWS_A_GROUP):
            chosen = order[start : start + _ROWS_A_GROUP]
            # Not taken from the whole table, which would put together all its pieces first.
            is_chosen = np.zeros(len(table), bool)
            is_chosen[chosen] = True
            part = table.filter(pa.array(is_chosen)).combine_chunks()
            part = part.take(pa.array(np.searchsorted(np.sort(chosen), chosen)))
            columns = {name: part[name] for name in table.column_names}
            columns["sha256"] = pa.array([content.hex() for content in columns["sha256"].to_pylist()], pa.string())
            columns["split"] = pa.array([*SPLITS, ""]).take(pa.array(splits[chosen] % (len(SPLITS) + 1)))
            columns["shard"] = pa.array(shard_names, pa.string()).take(pa.array(shards[chosen]))
            writer.write_table(pa.table(columns, schema=schema))


def count_rows(table: "pa.Table") -> dict[tuple[str, str], int]:
    """Returns how many images there are by split and class.

    Args:
        table: The index.
    """
    counted = table.group_by(["split", "label"]).aggregate([([], "count_all")])
    return {(row["split"], row["label"]): row["count_all"] for row in counted.to_pylist()}
