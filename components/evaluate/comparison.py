"""The challenger and a baseline on the same images: by how much they differ, and how sure that is."""

import math
from typing import Any

import numpy as np
from scipy.stats import binomtest, norm

from graft.components.evaluate.baselines import Baseline

Array = np.ndarray[Any, Any]


def paired_interval(gained: int, lost: int, images: int, tail: float) -> tuple[float, float]:
    """Returns the ends of an interval of the difference of two accuracies on the same images.

    Wald's interval with Laplace's adjustment: Bonett and Price, "Adjusted Wald Confidence Interval for a Difference of Binomial
    Proportions Based on Paired Data", J. Educational and Behavioral Statistics 37(4), 2012.

    Args:
        gained: Images that only the challenger has right.
        lost: Images that only the baseline has right.
        images: All images.
        tail: Probability beyond each end: 0.025 for a 95% interval.
    """
    up, down = (gained + 1) / (images + 2), (lost + 1) / (images + 2)
    reach = norm.isf(tail) * math.sqrt((up + down - (up - down) ** 2) / (images + 2))
    return max(-1.0, float(up - down - reach)), min(1.0, float(up - down + reach))


def compare_with(baseline: Baseline, digest: str, predicted: Array, labels: Array) -> dict[str, Any]:
    """Compares the challenger with a baseline on the images that the baseline was not trained on.

    Args:
        baseline: The baseline; some images are not contaminated.
        digest: Digest of the challenger.
        predicted: int64 [N], the class that the challenger predicts.
        labels: int64 [N], the true class.

    Returns:
        As `compare`; also the baseline's `uri` and `model_digest`, and `left_out`, how many images are contaminated.
    """
    fresh = ~baseline.contaminated
    compared = compare((predicted == labels)[fresh], (baseline.predicted == labels)[fresh])
    if baseline.model.digest == digest:  # a model is not worse than itself, however few the images
        compared |= {"interval": [0.0, 0.0], "lower": 0.0}
    left_out = int(baseline.contaminated.sum())
    return {"uri": baseline.model.uri, "model_digest": baseline.model.digest, **compared, "left_out": left_out}


def compare(challenger: Array, baseline: Array) -> dict[str, Any]:
    """Compares two models by the images that they have right.

    Args:
        challenger: bool [N], the images that the challenger has right.
        baseline: bool [N], the images that the baseline has right.

    Returns:
        `accuracy` of the baseline; `difference`, the challenger's less the baseline's, with its 95% `interval` and `lower`, the
        one-sided 95% bound; `p_value` of the exact one-sided McNemar test (1947) that the challenger is worse; and the images
        counted: `gained`, `lost`, `both_right`, `both_wrong`.
    """
    images = len(challenger)
    gained, lost = int((challenger & ~baseline).sum()), int((~challenger & baseline).sum())
    lower, _ = paired_interval(gained, lost, images, 0.05)
    flipped = gained + lost
    return {
        "accuracy": float(baseline.mean()),
        "difference": (gained - lost) / images,
        "interval": list(paired_interval(gained, lost, images, 0.025)),
        "lower": lower,
        "p_value": float(binomtest(lost, flipped, 0.5, alternative="greater").pvalue) if flipped else 1.0,
        "gained": gained,
        "lost": lost,
        "both_right": int((challenger & baseline).sum()),
        "both_wrong": int((~challenger & ~baseline).sum()),
    }


def versus(difference: float, role: str) -> str:
    """Says by how much the challenger is better or worse than a baseline.

    Args:
        difference: The challenger's accuracy less the baseline's.
        role: `champion` or `anchor`.
    """
    if difference == 0:
        return f"as accurate as the {role}"
    return f"{100 * abs(difference):.1f} points {'better' if difference > 0 else 'worse'} than the {role}"
