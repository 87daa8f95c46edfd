"""Temperature scaling: the trained head's logits divided by one number, so that its probabilities are as often right as they say.

Source: Guo, Pleiss, Sun and Weinberger, "On Calibration of Modern Neural Networks", ICML 2017, section 4.2.
"""

import dataclasses
import math
from typing import Any

import numpy as np

from graft.components.common.artifacts.model import Calibration

LEAST = 50
"""On fewer images no temperature is fitted."""
_LIMITS = (0.1, 10.0)

Array = np.ndarray[Any, Any]


@dataclasses.dataclass(frozen=True)
class Logits:
    """What the head's last layer gives for the selection images, before its activation.

    Attributes:
        views: float64 [M, m, 1] for two classes, else [M, m, classes]; prediction averages the probabilities of M views.
        labels: int64 [m], the images' labels.
        split: The split that they are from.
    """

    views: Array
    labels: Array
    split: str

    def log_probabilities(self, temperature: float = 1.0) -> Array:
        """Returns float64 [m, classes], the logarithms of the probabilities at a temperature."""
        from scipy.special import log_softmax, logsumexp

        scaled = self.views / temperature
        if scaled.shape[2] == 1:  # a sigmoid is the softmax of 0 and the logit
            scaled = np.concatenate([np.zeros_like(scaled), scaled], axis=2)
        return np.asarray(logsumexp(log_softmax(scaled, axis=2), axis=0) - math.log(len(scaled)))

    def probabilities(self, temperature: float) -> Array:
        """Returns float32 [m, classes], the probabilities at a temperature, in as many bits as a model gives them."""
        return np.exp(self.log_probabilities(temperature)).astype(np.float32)

    def loss(self, temperature: float = 1.0) -> float:
        """Returns the mean negative log-likelihood of the labels at a temperature, in nats."""
        return -float(self.log_probabilities(temperature)[np.arange(len(self.labels)), self.labels].mean())


def fit_temperature(logits: Logits) -> Calibration:
    """Finds the temperature of the lowest negative log-likelihood, between 0.1 and 10.

    It is 1, which changes nothing, where the images can't tell: where they are few, or where none is wrong, since the lower the
    temperature, the better would it then seem.
    """
    from scipy.optimize import minimize_scalar

    before, images = logits.loss(), len(logits.labels)
    told = {"split": logits.split, "images": images, "loss_before": before}
    wrong = int((logits.log_probabilities().argmax(axis=1) != logits.labels).sum())
    reason = f"fewer than {LEAST} images" if images < LEAST else "" if wrong else "no image is wrong"
    if reason:
        return Calibration(**told, temperature=1.0, loss=before, reason=reason)
    found = minimize_scalar(
        lambda power: logits.loss(math.exp(power)), bounds=[math.log(limit) for limit in _LIMITS], method="bounded"
    )
    temperature = math.exp(float(found.x))
    return Calibration(**told, temperature=temperature, loss=logits.loss(temperature))


def apply_temperature(head: Any, temperature: float) -> None:
    """Divides the logits of a head by a temperature within its last layer, so that the model has no layer more than before."""
    last = head.layers[-1]
    last.set_weights(
        [(weights.astype(np.float64) / temperature).astype(weights.dtype) for weights in last.get_weights()]
    )
