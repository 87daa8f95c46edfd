"""Contamination: evaluated images that a model was trained on, where its figures would flatter it."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from graft.components.common.artifacts.dataset import TRAIN
from graft.components.common.artifacts.model_source import SavedModel
from graft.components.common.compute.twins import find_twins
from graft.components.common.errors import GraftError

LOOKS = ("sha256", "phash", "brightness")
"""The columns of an index by which images and their near twins are known."""

Array = np.ndarray[Any, Any]


def find_contaminated(evaluated: Mapping[str, Sequence[Any]], model: SavedModel) -> Array:
    """Returns which images a model was trained on, or a near twin of: bool [N].

    Args:
        evaluated: `LOOKS` of the images.
        model: The model. If nothing is known of the images that it was trained on, none counts as contaminated.

    Raises:
        GraftError: The index of the model's dataset is damaged.
    """
    if model.index is None:
        return np.zeros(len(evaluated["sha256"]), bool)
    rows = read_index(model.index, [*LOOKS, "split"], model.uri)
    trains = np.array(rows["split"]) == TRAIN
    trained = {name: [value for value, train in zip(rows[name], trains, strict=True) if train] for name in LOOKS}
    count = len(trained["sha256"])
    digests, phashes, brightness = ([*trained[name], *evaluated[name]] for name in LOOKS)
    _, contents = np.unique(digests, return_inverse=True)
    groups = np.full(len(digests), -1)
    groups[:count] = 0
    looks = np.array([int(phash, 16) for phash in phashes], np.uint64)
    twins = find_twins(contents, looks, np.array(brightness, float), groups, 1, groups < 0)
    return np.asarray(twins.twin[count:, 0] >= 0)


def read_index(index: Path, columns: Sequence[str], whose: str) -> dict[str, list[Any]]:
    """Reads columns of the index of a whole dataset, all splits.

    Args:
        index: The Parquet file.
        columns: The columns' names.
        whose: Path or URI of the dataset or model that the index belongs to, for the message.

    Raises:
        GraftError: The index is damaged, or has no such column.
    """
    try:
        return dict(pq.read_table(index, columns=list(columns)).to_pydict())
    except (pa.ArrowException, OSError) as error:
        raise GraftError(f"The index of {whose} is damaged ({type(error).__name__}): name another.") from error
