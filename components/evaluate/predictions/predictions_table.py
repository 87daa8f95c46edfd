"""The table of predictions: a row an image."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from graft.components.common.artifacts.dataset import Dataset
from graft.components.evaluate.baselines import Baseline

Array = np.ndarray[Any, Any]

_ROWS = 2**14  # are written at once: another copy of all would take as much memory as they do


def write_predictions(
    path: Path, data: Dataset, index: Mapping[str, Sequence[Any]], probabilities: Array, champion: Baseline | None
) -> pa.Table:
    """Writes a row an image: its identity, true and predicted class, a probability a class, and the champion's answer.

    The champion has no answer for contaminated images.

    Returns:
        The table, with the probability of the predicted class alone.
    """
    classes = pa.array(data.classes, pa.string())
    predicted = probabilities.argmax(axis=1)
    first = {name: pa.array(index[name], pa.string()) for name in ("sha256", "path", "label")}
    first["predicted"] = classes.take(pa.array(predicted))
    last = (
        {} if champion is None else {"champion": classes.take(pa.array(champion.predicted, mask=champion.contaminated))}
    )
    schema = pa.schema(
        [
            *((name, pa.string()) for name in first),
            *((f"probability_{name}", pa.float32()) for name in data.classes),
            *((name, pa.string()) for name in last),
        ]
    )
    with pq.ParquetWriter(path, schema) as writer:
        for start in range(0, len(probabilities), _ROWS):
            identity, answers = ([column.slice(start, _ROWS) for column in part.values()] for part in (first, last))
            columns = [pa.array(column) for column in probabilities[start : start + _ROWS].T]
            writer.write_table(pa.table([*identity, *columns, *answers], schema=schema))
    return pa.table(first | {"confidence": probabilities[np.arange(len(predicted)), predicted]} | last)
