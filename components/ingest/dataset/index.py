"""The index of a dataset: a row an image, in the order of the shards."""

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from graft.components.common.artifacts.dataset import INDEX, LABEL_KEPT, LEFT_OUT, SPLITS
from graft.components.ingest.dataset.collected_rows import CollectedRows
from graft.components.ingest.dataset.image_arrays import Array
from graft.components.ingest.dataset.table_writer import ROWS_A_GROUP
from graft.components.ingest.images.checked_image import REWRITTEN
from graft.components.ingest.images.conversion import BLANK

if TYPE_CHECKING:
    import pyarrow as pa

_ORDER_DIGITS = 16
_REPEATED = ["split", "label", "conversions", "shard"]
_TO_LOOK_AT = {
    REWRITTEN: "Images are damaged, or of a kind that few programs read, and were written anew",
    BLANK: "Images came out nearly black, white or of one colour, though their files are not",
}
_REPORTED = ["path", "width", "height", "brightness", "offset", *_REPEATED]


def write_indexes(
    rows: CollectedRows, splits: Array, shard_names: Sequence[str], folder: Path
) -> "tuple[pa.Table, pa.Table]":
    """Writes the index of a Dataset, and a second one of the images that are left out.

    Args:
        rows: The rows, their shards being numbers.
        splits: int [N], index of each image's split in SPLITS; -1 for one that is left out.
        shard_names: The shards' names by number.
        folder: The Dataset's folder.

    Returns:
        What the report needs of both: names and looks of the images, and a column `order` for samples.
    """
    for name, left_out in ((INDEX, False), (LEFT_OUT, True)):
        write_index(rows, splits, shard_names, folder / name, left_out=left_out)
    return _read(folder / INDEX), _read(folder / LEFT_OUT)


def write_index(
    rows: CollectedRows,
    splits: Array,
    shard_names: Sequence[str],
    path: Path,
    *,
    left_out: bool = False,
) -> None:
    """Writes the index of the images that stay, in the order in which they are read: by split, shard and record.

    Args:
        rows: The rows, their shards being numbers.
        splits: int [N], index of each image's split in SPLITS; -1 for one that is left out.
        shard_names: The shards' names by number.
        path: The Parquet file.
        left_out: Whether to write the images that are left out instead; their split is empty.
    """
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
        for start in range(0, len(order), ROWS_A_GROUP):
            chosen = order[start : start + ROWS_A_GROUP]
            part = rows.take(chosen, *schema.names)
            columns = {name: part[name] for name in schema.names}
            columns["sha256"] = pa.array([content.hex() for content in columns["sha256"].to_pylist()], pa.string())
            columns["split"] = pa.array([*SPLITS, ""]).take(pa.array(splits[chosen] % (len(SPLITS) + 1)))
            columns["shard"] = pa.array(shard_names, pa.string()).take(part["shard"])
            writer.write_table(pa.table(columns, schema=schema))


def _read(path: Path) -> "pa.Table":
    import pyarrow as pa
    import pyarrow.parquet as pq

    with pq.ParquetFile(path, read_dictionary=_REPEATED, pre_buffer=False) as index:
        table = index.read(_REPORTED, use_threads=False).unify_dictionaries()
        digests = index.iter_batches(ROWS_A_GROUP, columns=["sha256"], use_threads=False)
        orders = [sample_order(batch["sha256"]) for batch in digests]
    return table.append_column("order", pa.chunked_array(orders, pa.uint64()))


def sample_order(digests: "pa.Array") -> "pa.Array":
    """Returns numbers that say which images come first in samples, the same ones for the same content: uint64 [N].

    They are the end of the digest: its beginning may have decided about the split.

    Args:
        digests: SHA-256 digests in hexadecimal.
    """
    import pyarrow as pa

    return pa.array((int(digest[-_ORDER_DIGITS:], 16) for digest in digests.to_pylist()), pa.uint64())


def read_contents(path: Path) -> Iterator[tuple[str, str, str]]:
    """Yields split, class and SHA-256 of every image of an index."""
    import pyarrow.parquet as pq

    with pq.ParquetFile(path, pre_buffer=False) as index:
        for batch in index.iter_batches(ROWS_A_GROUP, columns=["split", "label", "sha256"], use_threads=False):
            yield from zip(*(column.to_pylist() for column in batch.columns), strict=True)


def kept_labels(path: Path) -> list[str]:
    """Returns the SHA-256 of the images of an index whose label a person decided on."""
    import pyarrow.parquet as pq

    kept = pq.read_table(path, columns=["sha256"], filters=[(LABEL_KEPT, "=", True)], pre_buffer=False)
    return [str(sha256) for sha256 in kept["sha256"].to_pylist()]


def count_images(index: "pa.Table", classes: Sequence[str]) -> dict[str, dict[str, int]]:
    """Returns how many images there are by split and class, in the order of `classes`, for the splits that have any."""
    rows = index.group_by(["split", "label"]).aggregate([([], "count_all")]).to_pylist()
    counted = {(row["split"], row["label"]): row["count_all"] for row in rows}
    found = {split for split, _ in counted}
    return {split: {name: counted.get((split, name), 0) for name in classes} for split in SPLITS if split in found}


def count_conversions(index: "pa.Table") -> dict[str, int]:
    """Returns how many images were converted, by what was done to them."""
    import pyarrow.compute as pc

    counted: Counter[str] = Counter()
    for combination in pc.value_counts(index["conversions"].combine_chunks()).to_pylist():
        for name in filter(None, combination["values"].split(",")):
            counted[name] += combination["counts"]
    return dict(sorted(counted.items()))


def conversion_warnings(index: "pa.Table") -> list[str]:
    """Returns a warning for each conversion that a person should look at, with the names of the first images."""
    import pyarrow.compute as pc

    warnings = []
    for conversion, sentence in _TO_LOOK_AT.items():
        paths = index["path"].filter(pc.match_substring(index["conversions"].cast("string"), conversion))
        if len(paths):
            named = ", ".join(repr(path.as_py()) for path in paths[:3]) + (" …" if len(paths) > 3 else "")
            warnings.append(f"{sentence} ({len(paths)}): {named}. Look at them.")
    return warnings


def shards_used(*indexes: "pa.Table") -> set[str]:
    """Returns the names of the shards that some indexes name."""
    import pyarrow.compute as pc

    return {name for index in indexes for name in pc.unique(index["shard"]).to_pylist()}
