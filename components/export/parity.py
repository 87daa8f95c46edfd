"""Parity: an exported format must give what the trained model gives, on real images."""

import dataclasses
import statistics
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from graft.components.common.errors import GraftError
from graft.components.common.tensorflow import import_tensorflow
from graft.components.export.saved_model import ENDPOINT

LIMIT = 1e-5

Array = np.ndarray[Any, Any]


@dataclasses.dataclass(frozen=True)
class Parity:
    """How a format compares with the trained model.

    Attributes:
        images: How many images were compared, each at its own size.
        max_difference: Largest difference between two probabilities.
        label_agreement: Share of the images that both put into the same class.
        latency_ms: Median milliseconds for one image.
    """

    images: int
    max_difference: float
    label_agreement: float
    latency_ms: float


def check_saved_model(folder: Path, images: Sequence[Array], expected: Array) -> Parity:
    """Loads a SavedModel afresh and compares it with the trained model.

    Args:
        folder: The SavedModel.
        images: uint8 [H, W, 3] images.
        expected: float32 [N, classes or 1], the trained model's probabilities for them.

    Raises:
        GraftError: A probability differs by more than `LIMIT`.
    """
    tf = import_tensorflow()
    loaded = tf.saved_model.load(str(folder))
    serve = getattr(loaded, ENDPOINT)
    outputs, seconds = [], []
    for image in images:
        start = time.monotonic()
        outputs.append(serve(tf.constant(image[None])).numpy()[0])
        seconds.append(time.monotonic() - start)
    got = np.stack(outputs)
    difference = float(np.abs(got - expected).max())
    if not difference <= LIMIT:
        raise GraftError(
            f"The SavedModel differs from the trained model by up to {difference:.2g} (limit {LIMIT:g}): it is not exported."
        )
    agreement = float((_labels(got) == _labels(expected)).mean())
    return Parity(len(images), difference, agreement, round(1000 * statistics.median(seconds), 1))


def _labels(probabilities: Array) -> Array:
    labels: Array = probabilities[:, 0] >= 0.5 if probabilities.shape[1] == 1 else probabilities.argmax(axis=1)
    return labels
