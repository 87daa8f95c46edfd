"""The optimizers, as Keras 3 has them with their defaults, on one array: https://keras.io/api/optimizers/."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

import numpy as np

from graft.components.train.config import Optimizer

Array = np.ndarray[Any, Any]
Update = Callable[[Array, float], Array]
"""From a gradient and the learning rate to what is taken off the weights; called once a step."""

_EPSILON = 1e-7


def _sgd(weights: Array) -> Update:
    return lambda gradient, rate: rate * gradient


def _adagrad(weights: Array) -> Update:
    squares = np.full_like(weights, 0.1)

    def update(gradient: Array, rate: float) -> Array:
        squares[:] += gradient**2
        return rate * gradient / np.sqrt(squares + _EPSILON)

    return update


def _rmsprop(weights: Array) -> Update:
    squares = np.zeros_like(weights)

    def update(gradient: Array, rate: float) -> Array:
        squares[:] += 0.1 * (gradient**2 - squares)
        return rate * gradient / np.sqrt(squares + _EPSILON)

    return update


def _adam(weights: Array) -> Update:
    mean, squares, steps = np.zeros_like(weights), np.zeros_like(weights), 0

    def update(gradient: Array, rate: float) -> Array:
        nonlocal steps
        steps += 1
        mean[:] += 0.1 * (gradient - mean)
        squares[:] += 0.001 * (gradient**2 - squares)
        unbiased: float = rate * (1 - 0.999**steps) ** 0.5 / (1 - 0.9**steps)
        return unbiased * mean / (np.sqrt(squares) + _EPSILON)

    return update


def _adamw(weights: Array) -> Update:
    adam = _adam(weights)

    def update(gradient: Array, rate: float) -> Array:
        decayed = 0.004 * rate * weights
        return adam(gradient, rate) + decayed

    return update


UPDATE_RULES: Mapping[Optimizer, Callable[[Array], Update]] = MappingProxyType(
    {"adagrad": _adagrad, "adam": _adam, "adamw": _adamw, "rmsprop": _rmsprop, "sgd": _sgd}
)
"""Makes an optimizer's update of weights, which are changed in place."""
