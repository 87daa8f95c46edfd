"""Confident learning: which labels are probably wrong, from probabilities that are no echo of the labels themselves.

Source: Northcutt, Jiang and Chuang, "Confident Learning: Estimating Uncertainty in Dataset Labels", JAIR 70, 2021. It is a few lines of
NumPy; the package `cleanlab`, by the same authors, would bring pandas into the images.
"""

from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]


def find_suspects(probabilities: Array, labels: Array) -> tuple[Array, Array]:
    """Finds labels that are probably wrong: those off the diagonal of the confident joint.

    An image counts as of a class if its probability reaches the mean one of the images that are labelled so. Of several such classes the
    most probable counts; an image of none is left alone. So a class that is hard for the model is not suspected as a whole.

    Args:
        probabilities: float [N, K], out of fold: no image had a part in the model that gave its own.
        labels: int64 [N], the labels; each class has at least one image.

    Returns:
        int64 [n] rows, and int64 [n] the classes that they look like, by normalised margin: the least like its label first.
    """
    own = probabilities[np.arange(len(labels)), labels]
    counts = np.bincount(labels, minlength=probabilities.shape[1])
    thresholds = np.bincount(labels, own, len(counts)) / counts
    confident = np.where(probabilities >= thresholds, probabilities, -1.0)
    looks = confident.argmax(axis=1)
    rows = np.flatnonzero((confident.max(axis=1) >= 0) & (looks != labels))
    margins = own[rows] - probabilities[rows, looks[rows]]
    rows = rows[np.argsort(margins, kind="stable")]
    return rows, looks[rows]
