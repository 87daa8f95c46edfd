"""The head: what is trained on the backbone's features."""

import math
from typing import Any

from graft.components.train.config import Head, Optimizer, TrainConfig

DENSE_UNITS = 1024
_SMALLEST_VARIANCE = 1e-3  # of the features' mean variance


def build_pooling(head: Head) -> Any:
    """Returns the layer that turns a map of features [N, H, W, C] into a vector: the last one that needs no training."""
    import keras

    return keras.layers.GlobalAveragePooling2D(name="pool") if head == "gap" else keras.layers.Flatten(name="flatten")


def build_head(config: TrainConfig, features: Any, classes: int) -> Any:
    """Builds an untrained head.

    Args:
        config: The step's settings.
        features: float32 [N, F], the training features, from which `gap` takes means and variances.
        classes: How many classes there are.

    Returns:
        A Keras model from float32 [N, F] to probabilities: float32 [N, 1] of class 1 for two classes, else [N, classes].
    """
    import keras

    layers: list[Any] = [keras.Input((features.shape[1],), name="features")]
    if config.head == "gap":
        layers += [_standardize(features), keras.layers.Dropout(config.dropout, seed=config.seed)]
    else:
        layers += [
            keras.layers.Dense(DENSE_UNITS, activation="relu", name="hidden"),
            keras.layers.Dropout(config.dropout, seed=config.seed),
        ]
    if classes == 2:
        layers.append(keras.layers.Dense(1, activation="sigmoid", name="probability"))
    else:
        layers.append(keras.layers.Dense(classes, activation="softmax", name="probability"))
    return keras.Sequential(layers, name="head")


def _standardize(features: Any) -> Any:
    """Returns the layer that gives every feature mean 0 and variance 1; random features differ in scale by orders of magnitude.

    A feature that hardly varies in training is not blown up: a rare value of it in other images would drown all else.
    """
    import keras

    variance = features.var(axis=0, dtype="float64")
    floor = _SMALLEST_VARIANCE * (variance.mean() or 1.0)
    return keras.layers.Normalization(
        mean=features.mean(axis=0, dtype="float64"), variance=variance.clip(min=floor), name="standardize"
    )


def compile_head(head: Any, config: TrainConfig, classes: int, images: int) -> None:
    """Sets optimizer, loss and accuracy: binary cross-entropy for two classes, else categorical cross-entropy.

    Args:
        head: The head.
        config: The step's settings.
        classes: How many classes there are; labels of more than two are one-hot, as label smoothing wants them.
        images: How many images it trains on, for the length of a schedule.
    """
    import keras

    rate: Any = config.learning_rate
    if config.schedule == "cosine":
        rate = keras.optimizers.schedules.CosineDecay(rate, config.epochs * math.ceil(images / config.batch_size))
    optimizers: dict[Optimizer, Any] = {
        "adagrad": keras.optimizers.Adagrad,
        "adam": keras.optimizers.Adam,
        "adamw": keras.optimizers.AdamW,
        "rmsprop": keras.optimizers.RMSprop,
        "sgd": keras.optimizers.SGD,
    }
    loss = keras.losses.BinaryCrossentropy if classes == 2 else keras.losses.CategoricalCrossentropy
    head.compile(
        optimizer=optimizers[config.optimizer](learning_rate=rate),
        loss=loss(label_smoothing=config.label_smoothing),
        metrics=["accuracy"],
    )
