"""The figures of an evaluation, computed by scikit-learn and SciPy."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from graft.components.common.artifacts.evaluation import Bin, ClassMetrics, Metrics, RocCurve, Threshold
from graft.components.common.artifacts.record import Interval

Array = np.ndarray[Any, Any]

BINS = 15
_MOST_POINTS = 200


def wilson_interval(right: int, images: int) -> Interval:
    """Returns the 95% interval of a proportion, lower and upper end (Wilson, "Probable Inference", JASA 22, 1927)."""
    from scipy.stats import binomtest

    interval = binomtest(right, images).proportion_ci(0.95, method="wilson")
    return float(interval.low), float(interval.high)


def compute_metrics(probabilities: Array, labels: Array, classes: Sequence[str]) -> Metrics:
    """Computes an evaluation's figures. One that can't be computed, as for a class without images, is None.

    Args:
        probabilities: float32 [N, classes].
        labels: int64 [N].
        classes: The class names in label order.
    """
    from sklearn.metrics import confusion_matrix, log_loss

    numbers = list(range(len(classes)))
    predicted = probabilities.argmax(axis=1)
    wide = probabilities.astype(np.float64)
    wide /= wide.sum(axis=1, keepdims=True)
    right = int((predicted == labels).sum())
    by_class = _by_class(wide, labels, predicted, classes)
    bins = reliability(wide.max(axis=1), predicted == labels)
    curves = [1] if len(classes) == 2 else numbers
    return Metrics(
        accuracy=right / len(labels),
        accuracy_interval=wilson_interval(right, len(labels)),
        loss=float(log_loss(labels, wide, labels=numbers)),
        auc=_overall([figures.auc for figures in by_class.values()]),
        average_precision=_overall([figures.average_precision for figures in by_class.values()]),
        ece=expected_calibration_error(bins),
        reliability=bins,
        threshold=best_threshold(wide[:, 1], labels == 1) if len(classes) == 2 else None,
        confusion=confusion_matrix(labels, predicted, labels=numbers).tolist(),
        roc={
            classes[number]: roc_curve_of(wide[:, number], labels == number)
            for number in curves
            if _is_mixed(labels == number)
        },
        by_class=by_class,
    )


def _by_class(wide: Array, labels: Array, predicted: Array, classes: Sequence[str]) -> dict[str, ClassMetrics]:
    from sklearn.metrics import average_precision_score, precision_recall_fscore_support, roc_auc_score

    found = precision_recall_fscore_support(labels, predicted, labels=range(len(classes)), zero_division=np.nan)
    figures = {}
    for number, (name, precision, recall, f1, images) in enumerate(zip(classes, *found, strict=True)):
        is_it, scores = labels == number, wide[:, number]
        hits = int((is_it & (predicted == number)).sum())
        figures[name] = ClassMetrics(
            images=int(images),
            precision=_or_none(precision),
            recall=_or_none(recall),
            recall_interval=wilson_interval(hits, int(images)) if images else None,
            f1=_or_none(f1) if images else None,
            auc=float(roc_auc_score(is_it, scores)) if _is_mixed(is_it) else None,
            average_precision=float(average_precision_score(is_it, scores)) if _is_mixed(is_it) else None,
        )
    return figures


def _overall(figures: Sequence[float | None]) -> float | None:
    """Returns the figure of the second of two classes, or of more the mean of those that are known."""
    known = [figure for figure in (figures[1:] if len(figures) == 2 else figures) if figure is not None]
    return float(np.mean(known)) if known else None


def _is_mixed(is_it: Array) -> bool:
    return bool(is_it.any() and not is_it.all())


def _or_none(figure: float) -> float | None:
    return None if math.isnan(figure) else float(figure)


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
