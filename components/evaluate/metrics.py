"""The figures of an evaluation, computed by scikit-learn and SciPy."""

import functools
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from graft.components.common.artifacts.figures import (
    MOST_CLASSES,
    MOST_CONFUSED,
    Bin,
    ClassMetrics,
    Confused,
    Metrics,
    RocCurve,
    Threshold,
)
from graft.components.common.artifacts.record import Interval

Array = np.ndarray[Any, Any]

BINS = 15
_MOST_POINTS = 200
_ROWS, _COLUMNS = 2**12, 16


def wilson_interval(right: int, images: int) -> Interval:
    """Returns the 95% interval of a proportion, lower and upper end (Wilson, "Probable Inference", JASA 22, 1927)."""
    from scipy.stats import binomtest

    interval = binomtest(right, images).proportion_ci(0.95, method="wilson")
    return float(interval.low), float(interval.high)


def compute_metrics(probabilities: Array, labels: Array, classes: Sequence[str]) -> Metrics:
    """Computes an evaluation's figures. One that can't be computed, as for a class without images, is None.

    They are computed in 64 bits, a few rows or columns at a time: so wide a copy of all would take twice the memory again.

    Args:
        probabilities: float32 [N, classes].
        labels: int64 [N].
        classes: The class names in label order.
    """
    from sklearn.metrics import confusion_matrix

    numbers = list(range(len(classes)))
    predicted = probabilities.argmax(axis=1)
    sums = np.concatenate([part.astype(np.float64).sum(axis=1) for part in _parts(probabilities)])
    rows, right = np.arange(len(labels)), predicted == labels
    by_class = _by_class(probabilities, sums, labels, predicted, classes)
    bins = reliability(probabilities[rows, predicted] / sums, right)
    matrix = confusion_matrix(labels, predicted, labels=numbers)
    is_small = len(classes) <= MOST_CLASSES
    scores = functools.partial(_scores, probabilities, sums)
    return Metrics(
        accuracy=int(right.sum()) / len(labels),
        accuracy_interval=wilson_interval(int(right.sum()), len(labels)),
        loss=cross_entropy(probabilities[rows, labels] / sums),
        auc=_overall([figures.auc for figures in by_class.values()]),
        average_precision=_overall([figures.average_precision for figures in by_class.values()]),
        ece=expected_calibration_error(bins),
        reliability=bins,
        threshold=best_threshold(scores(1), labels == 1) if len(classes) == 2 else None,
        confusion=matrix.tolist() if is_small else [],
        confused=[] if is_small else most_confused(matrix, classes),
        roc={classes[number]: roc_curve_of(scores(number), labels == number) for number in _drawn(by_class)},
        by_class=by_class,
    )


def _parts(rows: Array) -> Iterator[Array]:
    """Yields an array's rows, some thousands at a time."""
    return (rows[start : start + _ROWS] for start in range(0, len(rows), _ROWS))


def _scores(probabilities: Array, sums: Array, number: int) -> Array:
    """Returns the probability of a class, float64 [N], where those of all classes come to 1."""
    return np.asarray(probabilities[:, number] / sums)


def cross_entropy(probabilities: Array) -> float:
    """Returns the mean cross-entropy in nats: scikit-learn's `log_loss`, which would need a number an image and class.

    Args:
        probabilities: float64 [N], that of the true class.
    """
    least = np.finfo(np.float64).eps
    return float(-np.log(probabilities.clip(least, 1 - least)).mean())


def most_confused(matrix: Array, classes: Sequence[str]) -> list[Confused]:
    """Returns the pairs of classes that are mistaken most often, the most images first.

    Args:
        matrix: int [classes, classes], images by true class and predicted.
        classes: The class names in label order.
    """
    wrong = np.where(np.eye(len(classes), dtype=bool), 0, matrix).ravel()
    first = np.argsort(-wrong, kind="stable")[:MOST_CONFUSED]
    pairs = [(*divmod(int(cell), len(classes)), int(wrong[cell])) for cell in first if wrong[cell]]
    return [Confused(true=classes[true], predicted=classes[other], images=images) for true, other, images in pairs]


def _drawn(by_class: Mapping[str, ClassMetrics]) -> list[int]:
    """Returns the classes whose ROC curves are kept: of two the second, else those with the smallest areas."""
    areas = [figures.auc for figures in by_class.values()]
    known = [number for number, area in enumerate(areas) if area is not None and (number or len(areas) != 2)]
    return sorted(sorted(known, key=lambda number: areas[number] or 0.0)[:MOST_CLASSES])


def _by_class(
    probabilities: Array, sums: Array, labels: Array, predicted: Array, classes: Sequence[str]
) -> dict[str, ClassMetrics]:
    from sklearn.metrics import precision_recall_fscore_support

    found = precision_recall_fscore_support(labels, predicted, labels=range(len(classes)), zero_division=np.nan)
    figures = {}
    for number, (name, precision, recall, f1, images) in enumerate(zip(classes, *found, strict=True)):
        if number % _COLUMNS == 0:  # a row's numbers lie side by side, so that one column costs as much as these
            columns = np.ascontiguousarray(probabilities[:, number : number + _COLUMNS].T)
        is_it = labels == number
        hits = int((is_it & (predicted == number)).sum())
        area, average_precision = areas(columns[number % _COLUMNS] / sums, is_it)
        figures[name] = ClassMetrics(
            images=int(images),
            precision=_or_none(precision),
            recall=_or_none(recall),
            recall_interval=wilson_interval(hits, int(images)) if images else None,
            f1=_or_none(f1) if images else None,
            auc=area,
            average_precision=average_precision,
        )
    return figures


def areas(scores: Array, positive: Array) -> tuple[float | None, float | None]:
    """Returns the area under the ROC curve and the average precision, as scikit-learn does, of one sorting; None if one class is missing.

    Args:
        scores: float64 [N], probability of the class.
        positive: bool [N], whether it is the true one.
    """
    from sklearn.metrics import auc, confusion_matrix_at_thresholds

    if positive.all() or not positive.any():
        return None, None
    _, false, _, true, _ = confusion_matrix_at_thresholds(positive, scores)
    recall, precision = true / true[-1], true / (true + false)
    average_precision = max(0.0, float(-(np.diff(np.append(recall[::-1], 0.0)) * precision[::-1]).sum()))
    bends = (np.diff(false, 2) != 0) | (np.diff(true, 2) != 0)
    corners = np.concatenate([[True], bends, [True]])[-len(true) :]
    rates = (np.append(0.0, counts[corners]) / counts[-1] for counts in (false, true))
    return float(auc(*rates)), average_precision


def _overall(figures: Sequence[float | None]) -> float | None:
    """Returns the figure of the second of two classes, or of more the mean of those that are known."""
    known = [figure for figure in (figures[1:] if len(figures) == 2 else figures) if figure is not None]
    return float(np.mean(known)) if known else None


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
