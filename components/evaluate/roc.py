"""The ROC curve and the threshold it suggests."""

from typing import Any

import numpy as np

from graft.components.common.artifacts.evaluation import RocCurve, Threshold

Array = np.ndarray[Any, Any]

_MOST_POINTS = 200


def roc_curve_of(scores: Array, positive: Array) -> RocCurve:
    """Returns a ROC curve's corners, at most 200 of them.

    Args:
        scores: float64 [N], probability of the class.
        positive: bool [N], whether it is the true one; some are and some are not.
    """
    from sklearn.metrics import roc_curve

    false, true, thresholds = roc_curve(positive, scores)
    thresholds[0] = max(1.0, float(scores.max()))  # scikit-learn's infinity is no number in JSON
    kept = np.unique(np.linspace(0, len(false) - 1, _MOST_POINTS).round().astype(int))
    return RocCurve(
        false_positive_rate=false[kept].tolist(),
        true_positive_rate=true[kept].tolist(),
        thresholds=thresholds[kept].tolist(),
    )


def best_threshold(scores: Array, positive: Array) -> Threshold | None:
    """Finds the threshold of highest balanced accuracy; of several the one nearest to a half. None if one class is missing.

    Args:
        scores: float64 [N], probability of the second class.
        positive: bool [N], whether it is the true one.
    """
    from sklearn.metrics import roc_curve

    if positive.all() or not positive.any():
        return None
    # The first point, of calling no image so, is no better than the last, of calling all so, and its threshold is infinite.
    false, true, thresholds = (values[1:] for values in roc_curve(positive, scores, drop_intermediate=False))
    balanced = (true + 1 - false) / 2
    best = np.flatnonzero(balanced == balanced.max())
    # Every threshold down to the next lower score does the same: halfway it is least bound to these very images.
    edges = np.append(thresholds, 0.0)
    middles = (edges[best] + edges[best + 1]) / 2
    called = scores > 0.5
    at_half = (called[positive].mean() + 1 - called[~positive].mean()) / 2
    return Threshold(
        best=float(middles[np.abs(middles - 0.5).argmin()]),
        balanced_accuracy=float(balanced.max()),
        balanced_accuracy_at_half=float(at_half),
    )
