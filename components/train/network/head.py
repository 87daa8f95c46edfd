"""The head: what is trained on the backbone's features. It is float32 whatever the backbone's precision."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from graft.components.common.compute.keras_models import HEAD, POOLING
from graft.components.train.config import Head, TrainConfig

DENSE_UNITS = 1024
_SMALLEST_VARIANCE = 1e-3  # of the features' mean variance
_NUMBERS_AT_ONCE = 2**22  # of which there are float64 copies


def build_pooling(head: Head, maps: Sequence[Any]) -> Any:
    """Returns a model from maps of features, [N, H, W, C] each, to one vector: the last part that needs no training."""
    import keras

    inputs = [keras.Input(tensor.shape[1:], dtype="float32") for tensor in maps]
    if head == "gap":
        pooled = [keras.layers.GlobalAveragePooling2D(dtype="float32")(tensor) for tensor in inputs]
    else:
        pooled = [keras.layers.Flatten(dtype="float32")(tensor) for tensor in inputs]
    outputs = pooled[0] if len(pooled) == 1 else keras.layers.Concatenate(dtype="float32")(pooled)
    return keras.Model(inputs, outputs, name=POOLING)


def build_head(config: TrainConfig, features: Any, classes: int) -> Any:
    """Builds an untrained head.

    Args:
        config: Gives the kind of head, dropout and seed.
        features: float16 or float32 [N, F], the training features, from which `gap` takes means and variances.
        classes: How many classes there are.

    Returns:
        A Keras model from float32 [N, F] to probabilities: float32 [N, 1] of class 1 for two classes, else [N, classes].
    """
    import keras

    layers: list[Any] = [keras.Input((features.shape[1],), name="features")]
    if config.head == "gap":
        mean, variance = moments(features)
        layers += [
            keras.layers.Normalization(mean=mean, variance=variance, name="standardize"),
            keras.layers.Dropout(config.dropout, seed=config.seed),
        ]
    else:
        layers += [
            keras.layers.Dense(DENSE_UNITS, activation="relu", name="hidden"),
            keras.layers.Dropout(config.dropout, seed=config.seed),
        ]
    if classes == 2:
        layers.append(keras.layers.Dense(1, activation="sigmoid", name="probability"))
    else:
        layers.append(keras.layers.Dense(classes, activation="softmax", name="probability"))
    return keras.Sequential(layers, name=HEAD)


def without_last_layer(head: Any) -> Any:
    """Returns a Keras model from the features to what a head's last layer takes, which shares the head's layers."""
    import keras

    return keras.Model(head.inputs, head.layers[-1].input, name="before_the_last")


def moments(features: Any) -> tuple[Any, Any]:
    """Returns means and variances, float64 [F] both, by which every feature gets mean 0 and variance 1.

    Random features differ in scale by orders of magnitude. A feature that hardly varies in training is not blown up: a rare value of it in
    other images would drown all else.

    Args:
        features: float16 or float32 [N, F], the training features.
    """
    mean = _mean(features, lambda numbers: numbers)
    variance = _mean(features, lambda numbers: (numbers - mean) ** 2)
    floor = _SMALLEST_VARIANCE * (variance.mean() or 1.0)
    return mean, variance.clip(min=floor)


def _mean(features: Any, of: Callable[[Any], Any]) -> Any:
    """Returns float64 [F], the means over all rows of a function of the features, which are read block by block."""
    size = max(1, _NUMBERS_AT_ONCE // features.shape[1])
    total = np.zeros((1, features.shape[1]))
    for row in range(0, len(features), size):
        block = of(features[row : row + size].astype("float64"))
        # Row by row, so that a block's size plays no part.
        total = np.concatenate([total, block]).sum(axis=0, keepdims=True)
    return total[0] / len(features)
