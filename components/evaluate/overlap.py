"""Which evaluated images another model was trained on: comparing on those would flatter it."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from graft.components.common.artifacts.dataset import TRAIN
from graft.components.common.compute.twins import find_twins
from graft.components.common.errors import GraftError

LOOKS = ("sha256", "phash", "brightness")
"""The columns of an index by which images and their near twins are known."""

Array = np.ndarray[Any, Any]


def read_index(index: Path, columns: Sequence[str], whose: str) -> dict[str, list[Any]]:
    """Reads columns of the index of the dataset that another model was trained on.

    Args:
        index: The index.
        columns: Their names.
        whose: The model's path or URI, for messages.

    Raises:
        GraftError: The index is damaged, or has no such column.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        return dict(pq.read_table(index, columns=list(columns)).to_pydict())
    except (pa.ArrowException, OSError) as error:
        raise GraftError(f"The index of {whose} is damaged ({type(error).__name__}): compare with another.") from error


def unseen(evaluated: Mapping[str, Sequence[Any]], index: Path, whose: str) -> Array:
    """Returns which images a model was not trained on, nor on a near twin of: bool [N].

    Args:
        evaluated: `LOOKS` of the images.
        index: The index of the dataset that the model was trained on.
        whose: The model's path or URI, for messages.

    Raises:
        GraftError: The index is damaged.
    """
    rows = read_index(index, [*LOOKS, "split"], whose)
    trains = np.array(rows["split"]) == TRAIN
    trained = {name: [value for value, train in zip(rows[name], trains, strict=True) if train] for name in LOOKS}
    count = len(trained["sha256"])
    digests, phashes, brightness = ([*trained[name], *evaluated[name]] for name in LOOKS)
    _, contents = np.unique(digests, return_inverse=True)
    groups = np.full(len(digests), -1)
    groups[:count] = 0
    looks = np.array([int(phash, 16) for phash in phashes], np.uint64)
    twins = find_twins(contents, looks, np.array(brightness, float), groups, 1, groups < 0)
    return np.asarray(twins.twin[count:, 0] < 0)
