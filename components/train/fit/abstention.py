"""The confidence below which a model does not answer, chosen for a wanted accuracy of what it answers."""

import logging
from typing import Any

import numpy as np

from graft.components.common.artifacts.model import Abstention

log = logging.getLogger("graft")

Array = np.ndarray[Any, Any]

_ROUNDING = 1e-9


def choose_threshold(probabilities: Array, labels: Array, split: str, wanted_accuracy: float) -> Abstention:
    """Chooses the lowest confidence at which (wrong + 1) / (answered + 1) is at most `1 - wanted_accuracy`.

    The one more stands for the next image, as in split conformal prediction (Vovk, Gammerman and Shafer, "Algorithmic Learning in a
    Random World", 2005; Jin and Candès, "Selection by Prediction with Conformal p-values", JMLR 24, 2023). Let images be exchangeable,
    and T be the lowest confidence at which wrong / answered of these images and the next one together is at most `1 - wanted_accuracy`.
    If the next one is answered and wrong, the rule's confidence is one of those at which that holds, so the image is answered by T too.
    T treats all images alike: the chance that the next image is answered and wrong is at most `1 - wanted_accuracy` times the chance
    that T answers it, whatever the model and the images. T answers hardly more than the rule does.

    Args:
        probabilities: float [N, classes], as the model gives them, of images that the model was not trained on.
        labels: int64 [N], their labels.
        split: The split that they are from.
        wanted_accuracy: The accuracy that the answered images shall have, below 1.
    """
    confidence = probabilities.max(axis=1)
    order = np.argsort(-confidence, kind="stable")
    descending = confidence[order]
    wrong = (probabilities.argmax(axis=1) != labels)[order].cumsum()
    answered = np.arange(1, len(order) + 1)
    is_last = np.append(
        descending[1:] < descending[:-1], True
    )  # of those with the same confidence, which are answered together
    good = np.flatnonzero(is_last & (wrong + 1 <= (1 - wanted_accuracy) * (answered + 1) + _ROUNDING))
    told = {"wanted_accuracy": wanted_accuracy, "split": split, "images": len(order)}
    if not len(good):
        log.warning(
            "wanted_accuracy: no confidence gives the answered ones of %s selection images an accuracy of %s: lower wanted_accuracy, or "
            "raise selection_fraction. The model has no output `confident`.",
            f"{len(order):,}",
            f"{wanted_accuracy:.2%}",
        )
        return Abstention(**told, answered=0, wrong=0)
    last = good[-1]
    return Abstention(
        **told, abstain_below=float(descending[last]), answered=int(answered[last]), wrong=int(wrong[last])
    )
