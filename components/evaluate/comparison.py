"""Two models on the same images: what is certain about their difference."""

import math
from typing import Any

import numpy as np
from scipy.stats import binomtest, norm

Array = np.ndarray[Any, Any]


def paired_interval(gained: int, lost: int, images: int, tail: float) -> tuple[float, float]:
    """Returns the ends of an interval of the difference of two accuracies on the same images.

    Wald's interval with Laplace's adjustment: Bonett and Price, "Adjusted Wald Confidence Interval for a Difference of Binomial
    Proportions Based on Paired Data", J. Educational and Behavioral Statistics 37(4), 2012.

    Args:
        gained: Images that only the new model has right.
        lost: Images that only the old one has right.
        images: All images.
        tail: Probability beyond each end: 0.025 for a 95% interval.
    """
    up, down = (gained + 1) / (images + 2), (lost + 1) / (images + 2)
    reach = norm.isf(tail) * math.sqrt((up + down - (up - down) ** 2) / (images + 2))
    return max(-1.0, float(up - down - reach)), min(1.0, float(up - down + reach))


def compare(new_right: Array, old_right: Array) -> dict[str, Any]:
    """Compares two models by the images that they have right.

    Args:
        new_right: bool [N], of the new model.
        old_right: bool [N], of the old model on the same images.

    Returns:
        `accuracy` of the old model; `difference`, new minus old, with its 95% `interval` and `lower`, the one-sided 95% bound;
        `p_value` of the exact one-sided McNemar test (1947) that the new one is worse; and the images counted: `gained`,
        `lost`, `both_right`, `both_wrong`.
    """
    images = len(new_right)
    gained, lost = int((new_right & ~old_right).sum()), int((~new_right & old_right).sum())
    lower, _ = paired_interval(gained, lost, images, 0.05)
    flipped = gained + lost
    return {
        "accuracy": float(old_right.mean()),
        "difference": (gained - lost) / images,
        "interval": list(paired_interval(gained, lost, images, 0.025)),
        "lower": lower,
        "p_value": float(binomtest(lost, flipped, 0.5, alternative="greater").pvalue) if flipped else 1.0,
        "gained": gained,
        "lost": lost,
        "both_right": int((new_right & old_right).sum()),
        "both_wrong": int((~new_right & ~old_right).sum()),
    }
