"""The figures of an evaluation, computed by scikit-learn and SciPy."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy.stats import binomtest
from sklearn.metrics import (
    average_precision_score,
    confusion_matrix,
    log_loss,
    precision_recall_fscore_support,
    roc_auc_score,
)

from graft.components.evaluate.calibration import expected_calibration_error, reliability
from graft.components.evaluate.roc import best_threshold, roc_points

Array = np.ndarray[Any, Any]


def wilson_interval(right: int, images: int) -> list[float]:
    """Returns the 95% interval of a proportion, lower and upper end (Wilson, "Probable Inference", JASA 22, 1927).

    Args:
        right: How many are right.
        images: Of how many.
    """
    interval = binomtest(right, images).proportion_ci(0.95, method="wilson")
    return [float(interval.low), float(interval.high)]


def compute_metrics(probabilities: Array, labels: Array, classes: Sequence[str]) -> dict[str, Any]:
    """Computes an evaluation's figures. One that can't be computed, as for a class without images, is None.

    Args:
        probabilities: float32 [N, classes].
        labels: int64 [N].
        classes: The class names in label order.

    Returns:
        `accuracy` with `accuracy_interval` (95%, Wilson), `loss` (cross-entropy in nats), `auc` (area under the ROC curve)
        and `average_precision`, each of the second of two classes, and of more the mean over those that have images of one
        against the rest; `ece` and `reliability`; `threshold` (two classes only); `confusion` (rows: true class, columns:
        predicted); `roc` by class; and `by_class`: images, precision, recall with its interval, F1, AUC and average precision.
    """
    numbers = list(range(len(classes)))
    predicted = probabilities.argmax(axis=1)
    wide = probabilities.astype(np.float64)
    wide /= wide.sum(axis=1, keepdims=True)
    right = int((predicted == labels).sum())
    by_class = _by_class(wide, labels, predicted, classes)
    bins = reliability(wide.max(axis=1), predicted == labels)
    curves = [1] if len(classes) == 2 else numbers
    return {
        "accuracy": right / len(labels),
        "accuracy_interval": wilson_interval(right, len(labels)),
        "loss": float(log_loss(labels, wide, labels=numbers)),
        "auc": _overall("auc", by_class, classes),
        "average_precision": _overall("average_precision", by_class, classes),
        "ece": expected_calibration_error(bins),
        "reliability": bins,
        "threshold": best_threshold(wide[:, 1], labels == 1) if len(classes) == 2 else None,
        "confusion": confusion_matrix(labels, predicted, labels=numbers).tolist(),
        "roc": {
            classes[number]: roc_points(wide[:, number], labels == number)
            for number in curves
            if _is_mixed(labels == number)
        },
        "by_class": by_class,
    }


def _by_class(wide: Array, labels: Array, predicted: Array, classes: Sequence[str]) -> dict[str, dict[str, Any]]:
    found = precision_recall_fscore_support(labels, predicted, labels=range(len(classes)), zero_division=np.nan)
    figures = {}
    for number, (name, precision, recall, f1, images) in enumerate(zip(classes, *found, strict=True)):
        is_it, scores = labels == number, wide[:, number]
        hits = int((is_it & (predicted == number)).sum())
        figures[name] = {
            "images": int(images),
            "precision": _or_none(precision),
            "recall": _or_none(recall),
            "recall_interval": wilson_interval(hits, int(images)) if images else None,
            "f1": _or_none(f1) if images else None,
            "auc": float(roc_auc_score(is_it, scores)) if _is_mixed(is_it) else None,
            "average_precision": float(average_precision_score(is_it, scores)) if _is_mixed(is_it) else None,
        }
    return figures


def _overall(figure: str, by_class: dict[str, dict[str, Any]], classes: Sequence[str]) -> float | None:
    chosen = classes[1:] if len(classes) == 2 else classes
    found = [by_class[name][figure] for name in chosen if by_class[name][figure] is not None]
    return float(np.mean(found)) if found else None


def _is_mixed(is_it: Array) -> bool:
    return bool(is_it.any() and not is_it.all())


def _or_none(figure: float) -> float | None:
    return None if math.isnan(figure) else float(figure)
