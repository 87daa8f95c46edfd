"""Targets, class weights, and the score of a model on the selection images."""

from collections.abc import Callable
from typing import Any

import numpy as np

from graft.components.common.compute.running import on_all_devices
from graft.components.train.config import TrainConfig
from graft.components.train.fit.calibration import Array


def targets_of(labels: Any, classes: int) -> Any:
    """Returns the targets of the loss for int64 [N] labels: float32 [N, 1] for two classes, else one-hot [N, classes]."""
    import keras

    return labels[:, None].astype(np.float32) if classes == 2 else keras.utils.to_categorical(labels, classes)


def class_weights(labels: Any, classes: int) -> dict[int, float]:
    """Returns the weight of each class that makes them count alike, as scikit-learn's "balanced" has it, from int64 [N] labels."""
    return {label: len(labels) / (classes * max(int((labels == label).sum()), 1)) for label in range(classes)}


def scorer(
    model: Any,
    batches: Any,
    targets: Any,
    config: TrainConfig,
    class_weight: dict[int, float] | None = None,
    size: int = 0,
) -> Callable[[], dict[str, float]]:
    """Returns a function that scores a model, as it then is, on images that it is not trained on.

    Args:
        model: Keras model to probabilities.
        batches: What can be gone through again and again for the model's inputs; each holds M views, [M, N, …], whose probabilities
            are averaged.
        targets: Targets as `targets_of` returns them, in the same order.
        config: Gives the label smoothing.
        class_weight: Weight of each class in the loss, as in training; None for all alike.
        size: Inputs that a smaller batch is filled up to; 0 for none.
    """
    import keras

    run, binary = on_all_devices(model, size=size), targets.shape[1] == 1
    crossentropy = keras.losses.binary_crossentropy if binary else keras.losses.categorical_crossentropy
    expected = targets[:, 0].astype(int) if binary else targets.argmax(axis=1)
    weights = np.array([class_weight[label] for label in expected] if class_weight else 1.0)

    def averaged(views: Any) -> Any:
        return np.mean([run(np.asarray(view, np.float32)) for view in views], axis=0)

    def score() -> dict[str, float]:
        probabilities = np.concatenate([averaged(views) for views in batches])
        losses = np.asarray(crossentropy(targets, probabilities, label_smoothing=config.label_smoothing))
        given = probabilities[:, 0] > 0.5 if binary else probabilities.argmax(axis=1)
        return {
            "selection_loss": float((weights * losses).mean()),
            "selection_accuracy": float((given == expected).mean()),
        }

    return score


def logits_of(head: Any, before: Any, batches: Any, size: int = 0) -> Callable[[], Array]:
    """Returns a function that computes a head's logits, in 64 bits, as the head then is.

    Args:
        head: The head.
        before: Keras model from the inputs to what the head's last layer takes.
        batches: As `scorer` takes them.
        size: Inputs that a smaller batch is filled up to; 0 for none.

    Returns:
        A function to float64 [M, m, 1 or classes], by view.
    """
    run = on_all_devices(before, size=size)

    def logits() -> Array:
        kernel, bias = (weights.astype(np.float64) for weights in head.layers[-1].get_weights())
        taken = [np.stack([run(np.asarray(view, np.float32)) for view in views]) for views in batches]
        return np.asarray(np.concatenate([part @ kernel + bias for part in taken], axis=1))

    return logits
