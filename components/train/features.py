"""Features: the frozen backbone's output for every image, computed once."""

import hashlib
from typing import Any

import numpy as np

from graft.components.common.dataset import TRAIN, Dataset
from graft.components.common.images import pass_over

Array = np.ndarray[Any, Any]


def compute_features(dataset: Dataset, preprocessing: Any, extractor: Any) -> tuple[Array, Array]:
    """Runs the training images through preprocessing and extractor, each once.

    Args:
        dataset: The dataset.
        preprocessing: Keras model from uint8 images to the extractor's input.
        extractor: Keras model from that to a vector: backbone and pooling.

    Returns:
        float32 [N, F] features and int64 [N] labels, in the order of the index.
    """
    total = dataset.count(TRAIN)
    features = np.empty((total, extractor.output.shape[1]), np.float32)
    labels = np.empty(total, np.int64)
    done = 0
    for outputs, batch_labels in pass_over("computing features", dataset, TRAIN, preprocessing, extractor):
        features[done : done + len(outputs)] = outputs
        labels[done : done + len(outputs)] = batch_labels
        done += len(outputs)
    return features, labels


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
