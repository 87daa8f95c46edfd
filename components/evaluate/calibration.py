"""Whether a model is as sure as it is right."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from graft.components.common.artifacts.evaluation import Bin

Array = np.ndarray[Any, Any]

BINS = 15


def reliability(confidence: Array, right: Array) -> tuple[Bin, ...]:
    """Groups images by confidence, in 15 bins of equal width, the upper edge belonging to each; empty ones are left out.

    Source: Guo, Pleiss, Sun and Weinberger, "On Calibration of Modern Neural Networks", ICML 2017, section 2.

    Args:
        confidence: float64 [N], probability of the predicted class.
        right: bool [N], whether it is the true one.
    """
    numbers = np.clip(np.ceil(confidence * BINS).astype(int) - 1, 0, BINS - 1)
    return tuple(
        Bin(
            low=number / BINS,
            high=(number + 1) / BINS,
            images=int(inside.sum()),
            confidence=float(confidence[inside].mean()),
            accuracy=float(right[inside].mean()),
        )
        for number in range(BINS)
        if (inside := numbers == number).any()
    )


def expected_calibration_error(bins: Sequence[Bin]) -> float:
    """Returns the mean distance of confidence and accuracy over bins, weighted by their images."""
    images = sum(found.images for found in bins)
    return float(sum(found.images * abs(found.accuracy - found.confidence) for found in bins) / images)
