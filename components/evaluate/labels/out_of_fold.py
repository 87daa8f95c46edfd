"""Out-of-fold probabilities: of each image those of a head that was trained without it."""

from typing import Any

import numpy as np

from graft.components.common.progress import progress

FOLDS = 5
# Chosen on flipped labels of the photographs (seeds 100 to 104, not those of the tests): 0.03 to 0.3 find the same within chance.
_REGULARIZATION = 0.1
_SMALLEST_VARIANCE = 1e-3  # of the features' mean variance, as in the head of training
_MOST = 20_000  # images that train the head of a fold: more of them take memory, and find little more
_AT_ONCE = 4_096
# Threads of BLAS wait for one another busily: products of 1,600 images' features with one vector took 1.7 CPU seconds on two cores that
# others used as well, 0.09 with one thread. Of many classes they are products of matrices, which threads share well.
_FOR_THREADS = 2**30  # multiplications of a step

Array = np.ndarray[Any, Any]


def out_of_fold(features: Array, labels: Array, folds: Array) -> Array:
    """Computes out-of-fold probabilities by multinomial logistic regression.

    Args:
        features: float16 [N, F], maybe on the disk: they are read a block at a time.
        labels: int64 [N], 0 to K - 1.
        folds: int64 [N], as `deal_folds` deals them; the images of every class are in two folds at least.

    Returns:
        float32 [N, K] probabilities.
    """
    from sklearn.linear_model import LogisticRegression
    from threadpoolctl import threadpool_limits

    probabilities = np.zeros((len(labels), labels.max() + 1), np.float32)
    present = np.unique(folds)
    threads = 1 if min(len(labels), _MOST) * features.shape[1] * probabilities.shape[1] < _FOR_THREADS else None
    with progress("looking for wrong labels", len(present)) as advance, threadpool_limits(threads, "blas"):
        for fold in present:
            rows = _at_most(np.flatnonzero(folds != fold))
            own = features[rows].astype(np.float32)
            mean, variance = own.mean(axis=0), own.var(axis=0)
            deviation = np.sqrt(variance.clip(min=_SMALLEST_VARIANCE * (variance.mean() or 1.0)))
            head = LogisticRegression(C=_REGULARIZATION, max_iter=1000)
            head.fit((own - mean) / deviation, labels[rows])
            asked = np.flatnonzero(folds == fold)
            for start in range(0, len(asked), _AT_ONCE):
                some = asked[start : start + _AT_ONCE]
                found = head.predict_proba((features[some].astype(np.float32) - mean) / deviation)
                probabilities[some[:, None], head.classes_] = found
            advance(1)
    return probabilities


def _at_most(rows: Array) -> Array:
    """Returns so many of some rows as train a head, evenly spread."""
    return rows if len(rows) <= _MOST else rows[np.linspace(0, len(rows) - 1, _MOST).astype(np.int64)]
