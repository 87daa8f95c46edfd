"""The challenger and a baseline on the same images: by how much they differ, and how sure that is."""

import math
from typing import Any

import numpy as np

from graft.components.common.artifacts.evaluation import Comparison
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
    from scipy.stats import norm

    up, down = (gained + 1) / (images + 2), (lost + 1) / (images + 2)
    reach = norm.isf(tail) * math.sqrt((up + down - (up - down) ** 2) / (images + 2))
    return max(-1.0, float(up - down - reach)), min(1.0, float(up - down + reach))


def compare_with(baseline: Baseline, digest: str, predicted: Array, labels: Array) -> Comparison:
    """Compares the challenger with a baseline on the images that the baseline was not trained on.

    Args:
        baseline: The baseline; some images are not contaminated.
        digest: Digest of the challenger.
        predicted: int64 [N], the class that the challenger predicts.
        labels: int64 [N], the true class.
    """
    fresh = ~baseline.contaminated
    model, left_out = baseline.model, int(baseline.contaminated.sum())
    compared = compare(
        (predicted == labels)[fresh], (baseline.predicted == labels)[fresh], model.uri, model.digest, left_out
    )
    if model.digest == digest:  # a model is not worse than itself, however few the images
        return compared.model_copy(update={"interval": (0.0, 0.0), "lower": 0.0})
    return compared


def compare(challenger: Array, baseline: Array, uri: str, digest: str, left_out: int = 0) -> Comparison:
    """Compares two models by the images that they have right.

    Args:
        challenger: bool [N], the images that the challenger has right.
        baseline: bool [N], the images that the baseline has right.
        uri: The baseline's path or URI.
        digest: The baseline's digest.
        left_out: How many images more were evaluated but are contaminated.
    """
    from scipy.stats import binomtest

    images = len(challenger)
    gained, lost = int((challenger & ~baseline).sum()), int((~challenger & baseline).sum())
    lower, _ = paired_interval(gained, lost, images, 0.05)
    flipped = gained + lost
    return Comparison(
        uri=uri,
        model_digest=digest,
        accuracy=float(baseline.mean()),
        difference=(gained - lost) / images,
        interval=paired_interval(gained, lost, images, 0.025),
        lower=lower,
        p_value=float(binomtest(lost, flipped, 0.5, alternative="greater").pvalue) if flipped else 1.0,
        gained=gained,
        lost=lost,
        both_right=int((challenger & baseline).sum()),
        both_wrong=int((~challenger & ~baseline).sum()),
        left_out=left_out,
    )
