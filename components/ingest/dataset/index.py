"""The index of a dataset: a row an image, in the order of the shards."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from graft.components.common.artifacts.dataset import SPLITS
from graft.components.ingest.dataset.collected_rows import ROWS_A_GROUP, CollectedRows

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa


def write_index(
    rows: CollectedRows,
    splits: "np.ndarray[Any, Any]",
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
        for start in range(0, len(order), ROWS_A_GROUP):
            chosen = order[start : start + ROWS_A_GROUP]
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
