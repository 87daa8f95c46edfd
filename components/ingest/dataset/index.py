"""The index of a dataset: a row an image, kept column by column."""

import contextlib
import dataclasses
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Self

from graft.components.common.artifacts.dataset import SPLITS
from graft.components.common.errors import GraftError

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

_ROWS_A_GROUP = 4 * 1024  # the writer starts a row group with each table, so a row's group follows from its number
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
    """Collects rows in a temporary file, since a million of them need not be in memory: a context manager.

    Args:
        file: The open file.
        columns: Names of the columns that a manifest adds.
    """

    def __init__(self, file: IO[bytes], columns: Sequence[str] = ()) -> None:
        import pyarrow as pa
        import pyarrow.parquet as pq

        numbers = {"width": pa.int32(), "height": pa.int32(), "shard": pa.int32(), "record": pa.int32()}
        types = numbers | {"offset": pa.int64(), "brightness": pa.float32(), "sha256": pa.binary(_DIGEST_BYTES)}
        names = [*COLUMNS, *columns]
        self._schema = pa.schema([(name, types.get(name, pa.string())) for name in names])
        self._writer = pq.ParquetWriter(file, self._schema, compression="none", use_dictionary=False)
        self._waiting: list[tuple[Any, ...]] = []

    def __enter__(self) -> Self:
        """Returns itself."""
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        """Ends the file, if collecting went well."""
        try:
            if not kind:
                self._flush()
                with _space():
                    self._writer.close()
        finally:
            if self._writer.is_open:
                with contextlib.suppress(OSError):  # what went wrong first is what counts
                    self._writer.close()

    def add(self, row: Row, columns: Sequence[str] = ()) -> None:
        """Appends a row.

        Args:
            row: The row.
            columns: Its values in the columns that a manifest adds.

        Raises:
            GraftError: The file can't be written.
        """
        others = (getattr(row, name) for name in COLUMNS[1:])
        self._waiting.append((bytes.fromhex(row.sha256), *others, *columns))
        if len(self._waiting) == _ROWS_A_GROUP:
            self._flush()

    def _flush(self) -> None:
        import pyarrow as pa

        if self._waiting:
            columns = zip(*self._waiting, strict=True)
            arrays = [pa.array(values, field.type) for values, field in zip(columns, self._schema, strict=True)]
            with _space():
                self._writer.write_table(pa.Table.from_arrays(arrays, schema=self._schema))
            self._waiting = []


@contextlib.contextmanager
def _space() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise GraftError(
            f"The temporary folder {tempfile.gettempdir()} can't hold the rows of the index ({error.strerror or error}): make room "
            "there, or name another one in the environment variable TMPDIR."
        ) from error


class Rows:
    """The rows that were collected, of which only what is asked for is in memory.

    Args:
        file: The open file that `Index` wrote.

    Attributes:
        schema: The columns: those of `Row`, the digest as bytes, and a manifest's.
    """

    def __init__(self, file: IO[bytes]) -> None:
        import pyarrow.parquet as pq

        self._reader = pq.ParquetFile(file, pre_buffer=False)
        self.schema: pa.Schema = self._reader.schema_arrow

    def __len__(self) -> int:
        """How many rows there are."""
        return int(self._reader.metadata.num_rows)

    def batches(self, *names: str) -> "Iterator[pa.RecordBatch]":
        """Yields all rows of some columns, a few thousand at a time.

        Args:
            names: The columns' names.
        """
        yield from self._reader.iter_batches(_ROWS_A_GROUP, columns=names, use_threads=False)

    def take(self, numbers: "np.ndarray[Any, Any]", *names: str) -> "pa.Table":
        """Returns some rows.

        Args:
            numbers: int [N] the rows' numbers, in the order in which they are wanted.
            names: The names of the columns that are wanted.
        """
        import numpy as np
        import pyarrow as pa

        order = np.argsort(numbers, kind="stable")
        groups, within = np.divmod(numbers[order], _ROWS_A_GROUP)
        parts = [
            self._reader.read_row_group(group, list(names), use_threads=False).take(pa.array(within[groups == group]))
            for group in np.unique(groups).tolist()
        ]
        place = np.empty(len(order), np.int64)
        place[order] = np.arange(len(order))
        tables = [part.select(names) for part in (self.schema.empty_table(), *parts)]
        return pa.concat_tables(tables).combine_chunks().take(pa.array(place))


def write_index(
    rows: Rows, splits: "np.ndarray[Any, Any]", shard_names: Sequence[str], path: Path, *, left_out: bool = False
) -> None:
    """Writes the index of the images that stay, in the order in which they are read: by split, shard and record.

    Args:
        rows: The rows, their shards being numbers.
        splits: int [N], index of each image's split in SPLITS; -1 for one that is left out.
        shard_names: The shards' names by number.
        path: The Parquet file.
        left_out: Whether to write the images that are left out instead; their split is empty.
    """
    import numpy as np
    import pyarrow as pa
    import pyarrow.parquet as pq

    shard, record = (
        np.concatenate([np.empty(0, int), *(batch[name].to_numpy() for batch in rows.batches(name))])
        for name in ("shard", "record")
    )
    order = np.lexsort((record, shard, splits))
    order = order[(splits[order] < 0) == left_out]
    schema = rows.schema
    for name in ("sha256", "shard"):
        schema = schema.set(schema.get_field_index(name), pa.field(name, pa.string()))
    with pq.ParquetWriter(path, schema) as writer:
        for start in range(0, len(order), _ROWS_A_GROUP):
            chosen = order[start : start + _ROWS_A_GROUP]
            part = rows.take(chosen, *schema.names)
            columns = {name: part[name] for name in schema.names}
            columns["sha256"] = pa.array([content.hex() for content in columns["sha256"].to_pylist()], pa.string())
            columns["split"] = pa.array([*SPLITS, ""]).take(pa.array(splits[chosen] % (len(SPLITS) + 1)))
            columns["shard"] = pa.array(shard_names, pa.string()).take(part["shard"])
            writer.write_table(pa.table(columns, schema=schema))


def count_rows(table: "pa.Table") -> dict[tuple[str, str], int]:
    """Returns how many images there are by split and class.

    Args:
        table: The index.
    """
    counted = table.group_by(["split", "label"]).aggregate([([], "count_all")])
    return {(row["split"], row["label"]): row["count_all"] for row in counted.to_pylist()}
