"""Which training images are set aside to select the best weights."""

import hashlib
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]


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
