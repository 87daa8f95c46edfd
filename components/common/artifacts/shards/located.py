"""Where a split's images are in the shards of a Dataset."""

import dataclasses
from typing import TYPE_CHECKING

from graft.components.common.artifacts.dataset import Dataset
from graft.components.common.artifacts.shards.downloads import ShardPaths
from graft.components.common.errors import GraftError

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt


@dataclasses.dataclass(frozen=True)
class Located:
    """Where images are: the records of some shards, read one after another, are numbered from 0.

    Attributes:
        paths: The shards' local paths; those in a remote store are downloaded as they are asked for.
        records: How many records they have together.
        numbers: int64 [n], the record of each image, ascending.
        labels: int64 [n], the class index of each image, as the index has it.
        most_pixels: Of the largest image.
    """

    paths: ShardPaths
    records: int
    numbers: "npt.NDArray[np.int64]"
    labels: "npt.NDArray[np.int64]"
    most_pixels: int


def locate(dataset: Dataset, split: str, wanted: "npt.NDArray[np.bool_] | None" = None) -> Located:
    """Finds a split's images in the shards, of which those without wanted images are left out.

    Args:
        dataset: The dataset.
        split: `train`, `validation` or `test`.
        wanted: bool [N], true for the images to find, in the order of the index; None for all.

    Raises:
        GraftError: The dataset has no such split, or the index is damaged.
    """
    import numpy as np

    if split not in dataset.counts:
        raise GraftError(f"{dataset.path} has no split {split!r}: there are {', '.join(dataset.counts)}.")
    index = dataset.index(split, columns := ["shard", "record", "label", "width", "height"])
    shards = {shard.name: shard for shard in dataset.shards}
    if unknown := set(index["shard"]) - set(shards):
        raise GraftError(f"{dataset.path} is damaged (its index names a shard {unknown.pop()}): ingest it again.")
    if set(index) != {*columns}:
        raise GraftError(f"{dataset.path} was made by an older Graft: ingest it again.")
    rows = np.arange(len(index["shard"])) if wanted is None else np.flatnonzero(wanted)
    named = [index["shard"][row] for row in rows]
    used = [name for name in shards if name in set(named)]
    dataset.opened.update((name, shards[name].bytes) for name in used)
    starts, total = {}, 0
    for name in used:
        starts[name] = total
        total += shards[name].images
    numbers = np.array([starts[name] for name in named], np.int64) + np.array(index["record"], np.int64)[rows]
    if (np.diff(numbers) <= 0).any():
        raise GraftError(f"{dataset.path} is damaged (its index is not in the order of the shards): ingest it again.")
    labels = {name: label for label, name in enumerate(dataset.classes)}
    return Located(
        ShardPaths(dataset, [shards[name] for name in used]),
        total,
        numbers,
        np.array([labels[index["label"][row]] for row in rows], np.int64),
        max((index["width"][row] * index["height"][row] for row in rows), default=0),
    )
