"""The images that some images look like most, by their features."""

from typing import Any

import numpy as np

_AT_ONCE = 4_096

Array = np.ndarray[Any, Any]


def nearest(features: Array, rows: Array, count: int) -> Array:
    """Finds the images whose features point most nearly in the same direction, all features being taken from their mean.

    Args:
        features: float16 [N, F], maybe on the disk: they are read a block at a time, once for the mean and once for the distances.
        rows: int64 [n], the images whose neighbours are wanted.
        count: How many of each; fewer than N.

    Returns:
        int64 [n, count], the rows of the neighbours, the nearest first.
    """
    blocks = [slice(start, start + _AT_ONCE) for start in range(0, len(features), _AT_ONCE)]
    mean = sum(features[block].sum(axis=0, dtype=np.float64) for block in blocks) / len(features)

    def directions(chosen: Any) -> Array:
        away = features[chosen].astype(np.float32) - mean.astype(np.float32)
        return np.asarray(away / np.linalg.norm(away, axis=1, keepdims=True).clip(min=1e-12))

    own = directions(rows)
    likeness = np.full((len(rows), count), -np.inf, np.float32)
    found = np.full((len(rows), count), -1, np.int64)
    for block in blocks:
        now = own @ directions(block).T
        numbers = np.arange(block.start, block.start + now.shape[1])
        now[rows[:, None] == numbers] = -np.inf
        both = np.concatenate([likeness, now], axis=1)
        best = np.argsort(-both, axis=1, kind="stable")[:, :count]
        likeness = np.take_along_axis(both, best, axis=1)
        found = np.take_along_axis(np.concatenate([found, np.tile(numbers, (len(rows), 1))], axis=1), best, axis=1)
    return found
