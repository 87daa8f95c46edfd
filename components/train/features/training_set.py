"""Which images train and which select the weights, with the features of both."""

import dataclasses
import hashlib
from typing import Any

import numpy as np

from graft.components.common.artifacts.dataset import TRAIN, VALIDATION, Dataset
from graft.components.common.compute.passes import Pace
from graft.components.common.compute.tensorflow import import_tensorflow
from graft.components.common.errors import GraftError
from graft.components.train.config import TrainConfig
from graft.components.train.features.extraction import compute_features, prediction_views, views_of
from graft.components.train.network.assembly import Network

Array = np.ndarray[Any, Any]


@dataclasses.dataclass(frozen=True)
class TrainingSet:
    """What a head is trained on and selected by.

    Attributes:
        trains: bool [N], true for the images of the training split that train.
        labels: int64 [N] labels of the training split.
        vectors: float16 [V, n, F], features of the n images that train, by view; n is 0 if the head is trained on none.
        selection_split: Split of the selection images.
        selects: bool, true for the images of that split that select the weights.
        selection_vectors: float16 [M, m, F], features of the m selection images in the views that prediction averages.
        selection_labels: int64 [m].
        computed: How many images went through the backbone.
        cached: How many did not, their features being in the store.
        bytes_read: How many bytes of features were read from the store.
        bytes_written: How many were written there.
        pace: How fast images went through the backbone.
    """

    trains: Array
    labels: Array
    vectors: Array
    selection_split: str
    selects: Array
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
        GraftError: There are too few images, or fewer than a batch takes, or the devices can't share a batch.
    """
    tf = import_tensorflow()
    sha256s, labels = _read_labels(dataset, TRAIN)
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
    # A head that sees every image anew needs no features of them, unless to standardise.
    needed = np.ones(len(labels), bool)
    if config.augmentation == "live" and config.head == "flatten-dense":
        needed = aside
    pace = Pace()
    made = compute_features(dataset, TRAIN, sha256s, needed, network, config, store, views_of(config), pace)
    chosen = aside[needed]
    passes, wanted = [made], int(needed.sum())
    averaged = prediction_views(config)
    if config.selection_split == TRAIN:
        selects, selection_labels, vectors = aside, labels[aside], made.vectors[: len(averaged), chosen]
    else:
        sha256s, selection_labels = _read_labels(dataset, VALIDATION)
        selects = np.ones(len(sha256s), bool)
        other = compute_features(dataset, VALIDATION, sha256s, selects, network, config, store, averaged, pace)
        passes, vectors, wanted = [made, other], other.vectors, wanted + len(selects)
    computed = sum(one.computed for one in passes)
    return TrainingSet(
        ~aside,
        labels,
        made.vectors[:, ~chosen],
        config.selection_split,
        selects,
        vectors,
        selection_labels,
        computed,
        wanted - computed,
        sum(one.bytes_read for one in passes),
        sum(one.bytes_written for one in passes),
        pace,
    )


def _read_labels(dataset: Dataset, split: str) -> tuple[list[str], Array]:
    """Returns the content digests of a split's images and their labels, int64 [N]."""
    index = dataset.index(split, ["sha256", "label"])
    numbers = {name: number for number, name in enumerate(dataset.classes)}
    return index["sha256"], np.array([numbers[name] for name in index["label"]], np.int64)


def selection_mask(sha256s: list[str], labels: Array, fraction: float) -> Array:
    """Chooses the training images that select the best weights, by content, the asked share of each class.

    Args:
        sha256s: The images' content digests.
        labels: int64 [N] labels.
        fraction: The share, of which at least one image a class is taken where the class has two.

    Returns:
        bool [N], true for images that are set aside.
    """
    ranks = np.array([hashlib.sha256(f"selection {sha256}".encode()).hexdigest() for sha256 in sha256s])
    mask = np.zeros(len(labels), bool)
    for label in np.unique(labels):
        members = np.flatnonzero(labels == label)
        count = min(max(1, round(fraction * len(members))), len(members) - 1)
        mask[members[np.argsort(ranks[members])][:count]] = True
    return mask
