"""How accurate a model is where it is confident: risk by coverage, and both at the confidence below which it does not answer.

Source: Geifman and El-Yaniv, "Selective Classification for Deep Neural Networks", NeurIPS 2017, section 2.
"""

from typing import Any

import numpy as np

from graft.components.common.artifacts.answers import Answered, RiskCoverage
from graft.components.common.artifacts.model import Model
from graft.components.common.compute.predictions import is_confident

Array = np.ndarray[Any, Any]

_MOST_POINTS = 100
_CONFIDENCE = 0.95


def risk_by_coverage(probabilities: Array, right: Array) -> RiskCoverage:
    """Returns which share of the answered images is wrong if only the most confident ones are answered, for at most 100 shares.

    Args:
        probabilities: float32 [N, classes].
        right: bool [N], whether the predicted class is the true one.
    """
    confidence = probabilities.max(axis=1)
    order = np.argsort(-confidence, kind="stable")
    descending, wrong = confidence[order], (~right)[order].cumsum()
    ends = np.flatnonzero(
        np.append(descending[1:] < descending[:-1], True)
    )  # images of one confidence are answered together
    kept = ends[np.unique(np.linspace(0, len(ends) - 1, _MOST_POINTS).round().astype(int))]
    return RiskCoverage(
        coverage=((kept + 1) / len(order)).tolist(),
        risk=(wrong[kept] / (kept + 1)).tolist(),
        confidence=descending[kept].astype(float).tolist(),
    )


def answered_part(model: Model, probabilities: Array, right: Array) -> Answered | None:
    """Returns the figures of the images for which a model is confident; None if it has no confidence below which it is not.

    Args:
        model: The model's record.
        probabilities: float32 [N, classes].
        right: bool [N], whether the predicted class is the true one.
    """
    if model.abstention is None or model.abstention.abstain_below is None:
        return None
    confident = is_confident(probabilities, model.abstention.abstain_below)
    images, wrong = int(confident.sum()), int((confident & ~right).sum())
    return Answered(
        wanted_accuracy=model.abstention.wanted_accuracy,
        abstain_below=model.abstention.abstain_below,
        images=images,
        coverage=images / len(right),
        wrong=wrong,
        risk=wrong / images if images else None,
        risk_upper=upper_bound(wrong, images),
    )


def upper_bound(wrong: int, images: int) -> float:
    """Returns what a share is at most, with 95% confidence (one-sided; Clopper and Pearson, Biometrika 26, 1934); 1 of no images."""
    from scipy.stats import beta

    return float(beta.ppf(_CONFIDENCE, wrong + 1, images - wrong)) if wrong < images else 1.0
