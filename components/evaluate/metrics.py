"""The figures of an evaluation, computed by scikit-learn and SciPy."""

from typing import Any

import numpy as np
from scipy.stats import binomtest
from sklearn.metrics import accuracy_score, confusion_matrix, log_loss, roc_auc_score

Array = np.ndarray[Any, Any]


def compute_metrics(probabilities: Array, labels: Array) -> dict[str, Any]:
    """Computes an evaluation's figures.

    Args:
        probabilities: float32 [N, classes].
        labels: int64 [N].

    Returns:
        `accuracy` with `accuracy_interval` (95%, Wilson 1927), `loss` (cross-entropy in nats), `auc` (area under the ROC
        curve; for more than two classes the mean of one against the rest) and `confusion` (rows: true class, columns:
        predicted).
    """
    classes = np.arange(probabilities.shape[1])
    predicted = probabilities.argmax(axis=1)
    wide = probabilities.astype(np.float64)
    wide /= wide.sum(axis=1, keepdims=True)
    correct = int((predicted == labels).sum())
    interval = binomtest(correct, len(labels)).proportion_ci(0.95, method="wilson")
    scores = wide[:, 1] if len(classes) == 2 else wide
    auc = float(roc_auc_score(labels, scores, multi_class="ovr", labels=classes))
    return {
        "accuracy": float(accuracy_score(labels, predicted)),
        "accuracy_interval": [float(interval.low), float(interval.high)],
        "loss": float(log_loss(labels, wide, labels=classes)),
        "auc": auc,
        "confusion": confusion_matrix(labels, predicted, labels=classes).tolist(),
    }
