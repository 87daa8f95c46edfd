"""Which images train and which select the weights, with the features of both."""

import dataclasses
import hashlib
from typing import Any

import numpy as np

from graft.components.common.artifacts.dataset import TRAIN, VALIDATION, Dataset
from graft.components.common.compute.passes import Pace
from graft.components.common.compute.scratch_array import scratch_array
from graft.components.common.compute.tensorflow import import_tensorflow
from graft.components.common.errors import GraftError
from graft.components.train.config import TrainConfig
from graft.components.train.features.extraction import compute_features, prediction_views, views_of
from graft.components.train.network.assembly import Network

Array = np.ndarray[Any, Any]


@dataclasses.dataclass(frozen=True)
class TrainingSet:
    """What a head is trained on and selected by. Images are in the order of their content, however they lie in the shards.

    Attributes:
        rows: int64 [n], the rows of the images that train in the index of the training split.
        labels: int64 [n], their labels.
        vectors: float16 [V, n, F], their features, by view, on the disk; [V, 0, F] if the head is trained on none.
        selection_split: Split of the selection images.
        selection_rows: int64 [m], the rows of the images that select the weights in the index of that split.
        selection_vectors: float16 [M, m, F], their features in the views that prediction averages, on the disk.
        selection_labels: int64 [m], their labels.
        computed: How many images went through the backbone.
        cached: How many did not, their features being in the store.
        bytes_read: How many bytes of features were read from the store.
        bytes_written: How many were written there.
        pace: How fast images went through the backbone.
    """

    rows: Array
    labels: Array
    vectors: Array
    selection_split: str
    selection_rows: Array
    selection_vectors: Array
    selection_labels: Array
    computed: int
    cached: int
    bytes_read: int
    bytes_written: int
    pace: Pace


def collect_training_set(dataset: Dataset, network: Network, config: TrainConfig, store: str) -> TrainingSet:
    """Chooses the images that select the weights, and computes the features that training needs.

    Args:
        dataset: Holds the images; its validation split selects if the settings say so.
        network: What stands before the head.
        config: Says which images select, which views are wanted, and the size of a batch.
        store: Path or URI of the store; empty for none.

    Raises:
        GraftError: There are too few images, or fewer than a batch takes, or the devices can't share a batch, or the temporary
            folder has no room for the features.
    """
    tf = import_tensorflow()
    sha256s, labels, rows = _by_content(dataset, TRAIN)
    aside = np.zeros(len(labels), bool)
    if config.selection_split == TRAIN:
        aside = selection_mask(sha256s, labels, config.selection_fraction)
        if not aside.any():
            raise GraftError(
                "No image can be set aside to choose the best weights: each class needs two training images."
            )
    elif VALIDATION not in dataset.counts:
        raise GraftError("selection_split is validation, and the dataset has no such split: take train.")
    images = int((~aside).sum())
    if config.batch_size > images:
        raise GraftError(
            f"batch_size {config.batch_size} is more than the {images} images to train on: lower it, or add images."
        )
    devices = tf.distribute.get_strategy().num_replicas_in_sync
    if config.batch_size % devices:
        raise GraftError(
            f"batch_size {config.batch_size} can't be shared by {devices} GPUs: take a multiple of {devices}."
        )
    others: tuple[list[str], Array, Array] = ([], labels[:0], rows[:0])
    if config.selection_split == VALIDATION:
        others = _by_content(dataset, VALIDATION)
    # A head that sees every image anew needs no features of them, unless to standardise.
    is_live = config.augmentation == "live" and config.head == "flatten-dense"
    trained = np.flatnonzero(~aside)[: 0 if is_live else None]
    selecting = np.flatnonzero(aside)
    views, averaged, width = views_of(config), prediction_views(config), network.extractor.output.shape[1]
    vectors = scratch_array((len(views), len(trained), width))
    selection_vectors = scratch_array((len(averaged), len(selecting) + len(others[0]), width))

    def put(view: int, columns: slice, numbers: Array, found: Array) -> None:
        trains = numbers < len(trained)
        vectors[view][numbers[trains], columns] = found[trains]
        if view < len(averaged):
            selection_vectors[view][numbers[~trains] - len(trained), columns] = found[~trains]

    def put_selection(view: int, columns: slice, numbers: Array, found: Array) -> None:
        selection_vectors[view][numbers, columns] = found

    pace, needed = Pace(), np.concatenate([trained, selecting])
    chosen = [sha256s[number] for number in needed]
    made = [compute_features(dataset, TRAIN, chosen, rows[needed], put, network, config, store, views, pace)]
    selection_labels, selection_rows = labels[selecting], rows[selecting]
    if config.selection_split == VALIDATION:
        chosen, selection_labels, selection_rows = others
        made.append(
            compute_features(
                dataset, VALIDATION, chosen, selection_rows, put_selection, network, config, store, averaged, pace
            )
        )
    computed = sum(one.computed for one in made)
    return TrainingSet(
        rows[~aside],
        labels[~aside],
        vectors,
        config.selection_split,
        selection_rows,
        selection_vectors,
        selection_labels,
        computed,
        len(needed) + len(others[0]) - computed,
        sum(one.bytes_read for one in made),
        sum(one.bytes_written for one in made),
        pace,
    )


def _by_content(dataset: Dataset, split: str) -> tuple[list[str], Array, Array]:
    """Returns a split's images in the order of their content: their digests, labels and rows in the index, both int64 [N].

    Of those with the same bytes the label decides. Then nothing is left that could tell two apart, and how images lie in shards, and what
    they are called, has no part in the training.
    """
    index = dataset.index(split, ["sha256", "label"])
    numbers = {name: number for number, name in enumerate(dataset.classes)}
    labels = np.array([numbers[name] for name in index["label"]], np.int64)
    rows = np.lexsort((labels, np.array(index["sha256"], "S")))
    return [index["sha256"][row] for row in rows], labels[rows], rows


def selection_mask(sha256s: list[str], labels: Array, fraction: float) -> Array:
    """Chooses the training images that select the best weights, by content, the asked share of each class.

    Args:
        sha256s: The images' content digests.
        labels: int64 [N] labels.
        fraction: The share, of which at least one image a class is taken where the class has two.

    Returns:
        bool [N], true for images that are set aside.
    """
    ranks = np.array([hashlib.sha256(f"selection {sha256}".encode()).hexdigest().encode() for sha256 in sha256s])
    mask = np.zeros(len(labels), bool)
    for label in np.unique(labels):
        members = np.flatnonzero(labels == label)
        count = min(max(1, round(fraction * len(members))), len(members) - 1)
        mask[members[np.argsort(ranks[members])][:count]] = True
    return mask
