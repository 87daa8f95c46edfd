"""The head `gap`, trained in NumPy: what Keras needs seconds for, mostly to trace it, takes a tenth of one.

It is the same head, loss, optimizer, batches, early stopping and calibration. Only what is drawn differs: first weights, order and
dropout. The trained head itself is not kept: a search looks only at what settings bring.
"""

import dataclasses
import math
from typing import Any

import numpy as np

from graft.components.common.artifacts.dataset import TRAIN
from graft.components.train.config import TrainConfig
from graft.components.train.fit.calibration import Logits, fit_temperature
from graft.components.train.tune.update_rules import UPDATE_RULES

Array = np.ndarray[Any, Any]

_LEAST = 1e-7  # of a probability, as in Keras' losses


@dataclasses.dataclass(frozen=True)
class Labelled:
    """Images with their labels.

    Attributes:
        vectors: float32 [V, n, F], standardised features by view.
        targets: float32 [n, 1] for two classes, else one-hot [n, classes].
        weights: float32 [n], what each image counts in the loss.
    """

    vectors: Array
    targets: Array
    weights: Array

    def some(self, chosen: Array) -> "Labelled":
        """Returns the images that bool [n] or int64 [k] chooses."""
        return Labelled(self.vectors[:, chosen], self.targets[chosen], self.weights[chosen])


@dataclasses.dataclass(frozen=True)
class QuickHead:
    """A dense layer from features to probabilities; `theta`, float32 [F + 1, outputs], has the biases in its last row."""

    theta: Array

    def probabilities(self, vectors: Array) -> Array:
        """Returns float32 [n, outputs] for features float32 [M, n, F], averaged over the views."""
        return np.asarray(_activation(self.logits(vectors)).mean(axis=0))

    def logits(self, vectors: Array) -> Array:
        """Returns float32 [M, n, outputs] for features float32 [M, n, F]."""
        return np.asarray(vectors @ self.theta[:-1] + self.theta[-1])


def losses(probabilities: Array, targets: Array) -> Array:
    """Returns the cross-entropy of each image, float32 [n]."""
    likely = probabilities.clip(_LEAST, 1 - _LEAST)
    if targets.shape[1] == 1:
        return np.asarray(-(targets * np.log(likely) + (1 - targets) * np.log(1 - likely))[:, 0])
    return np.asarray(-(targets * np.log(likely)).sum(axis=1))


@np.errstate(over="ignore", invalid="ignore")  # a loss that is no number is seen
def train_quick_head(training: Labelled, selection: Labelled, config: TrainConfig) -> QuickHead:
    """Trains a head, and returns it with the weights that had the lowest loss on the selection images, calibrated on these.

    Args:
        training: Images to train on, each view of them being one more.
        selection: Images that select the weights.
        config: Gives optimizer, learning rate, schedule, dropout, label smoothing, batch size, epochs, patience and seed.
    """
    views, _, width = training.vectors.shape
    vectors = training.vectors.reshape(-1, width)
    targets = np.tile(_smoothed(training.targets, config.label_smoothing), (views, 1))
    weights = np.tile(training.weights, views)[:, None]
    random = np.random.Generator(np.random.SFC64(config.seed))
    outputs = targets.shape[1]
    limit = math.sqrt(6 / (width + outputs))  # Glorot's, for the weights; biases begin at 0
    theta = random.uniform(-limit, limit, (width + 1, outputs)).astype(np.float32)
    theta[-1] = 0
    update, gradient = UPDATE_RULES[config.optimizer](theta), np.empty_like(theta)
    expected = _smoothed(selection.targets, config.label_smoothing)
    best, least, best_epoch = theta.copy(), math.inf, 0
    batches = math.ceil(len(vectors) / config.batch_size)
    for epoch in range(config.epochs):
        for step, rows in enumerate(np.array_split(random.permutation(len(vectors)), batches)):
            inputs = vectors[rows]
            kept = _drop(inputs, config.dropout, random)
            error = _activation((inputs @ theta[:-1]) / kept + theta[-1]) - targets[rows]
            error *= weights[rows] / len(rows)
            gradient[:-1] = (inputs.T @ error) / kept
            gradient[-1] = error.sum(axis=0)
            theta -= update(gradient, _rate(config, (epoch + step / batches) / config.epochs))
        found = QuickHead(theta).probabilities(selection.vectors)
        loss = float((selection.weights * losses(found, expected)).mean())
        if not math.isfinite(loss):
            break
        if loss < least:
            best, least, best_epoch = theta.copy(), loss, epoch
        elif epoch - best_epoch >= config.patience:
            break
    # A sigmoid's label is its target; of others it is where the one stands.
    labels = selection.targets[:, 0].astype(np.int64) if outputs == 1 else selection.targets.argmax(axis=1)
    calibration = fit_temperature(Logits(QuickHead(best).logits(selection.vectors).astype(np.float64), labels, TRAIN))
    return QuickHead(best / np.float32(calibration.temperature))


def _drop(inputs: Array, dropout: float, random: np.random.Generator) -> float:
    """Sets a share of the inputs to 0, in place, and returns the share that is kept. A byte decides: shares are multiples of 1/256."""
    dropped = round(256 * dropout)
    if dropped:
        drawn: Array = random.integers(0, 2**64, (inputs.size + 7) // 8, np.uint64).view(np.uint8)[: inputs.size]
        inputs *= drawn.reshape(inputs.shape) >= dropped
    return 1 - dropped / 256


def _rate(config: TrainConfig, done: float) -> float:
    """Returns the learning rate after a share of all epochs."""
    if config.schedule == "constant":
        return config.learning_rate
    return config.learning_rate * (1 + math.cos(math.pi * done)) / 2


def _smoothed(targets: Array, smoothing: float) -> Array:
    return targets * np.float32(1 - smoothing) + np.float32(smoothing / max(2, targets.shape[1]))


def _activation(logits: Array) -> Array:
    if logits.shape[-1] == 1:
        return np.asarray(1 / (1 + np.exp(-logits.clip(-80, 80))))
    likely = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return np.asarray(likely / likely.sum(axis=-1, keepdims=True))
