"""Parity: an exported format must give what the evaluation got, on real images."""

import dataclasses
import statistics
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from graft.components.common.errors import GraftError
from graft.components.common.tensorflow import import_tensorflow

# The evaluation may have run on other hardware, whose arithmetic differs a little.
LIMIT, LEAST_AGREEMENT = 1e-3, 0.995
_BATCH, _ONE_BY_ONE = 32, 10

Array = np.ndarray[Any, Any]


@dataclasses.dataclass(frozen=True)
class Parity:
    """How a format compares with the model that was evaluated.

    Attributes:
        images: How many images were compared, each at its own size.
        max_difference: Largest difference between two probabilities.
        label_agreement: Share of the images that both put into the same class.
        latency_ms: Median milliseconds for one encoded image.
    """

    images: int
    max_difference: float
    label_agreement: float
    latency_ms: float


def check_saved_model(folder: Path, encoded: Sequence[bytes], expected: Array) -> Parity:
    """Loads a SavedModel afresh and compares what it makes of encoded images, and of the first few decoded, with the evaluation.

    Args:
        folder: The SavedModel.
        encoded: The images' bytes, as they stand in the dataset.
        expected: float32 [N, classes], the probabilities that the evaluation got for them.

    Raises:
        GraftError: A probability differs by more than `LIMIT` or is no number, or of less than `LEAST_AGREEMENT` of the images both
            name the same class.
    """
    tf = import_tensorflow()
    loaded = tf.saved_model.load(str(folder))
    starts = range(0, len(encoded), _BATCH)
    got = np.concatenate(
        [loaded.serve_bytes(tf.constant(encoded[n : n + _BATCH]))["probabilities"].numpy() for n in starts]
    )
    differences, seconds = [np.abs(got - expected).max()], []
    for content, wanted in zip(encoded[:_ONE_BY_ONE], expected, strict=False):
        start = time.monotonic()
        alone = loaded.serve_bytes(tf.constant([content]))["probabilities"].numpy()
        seconds.append(time.monotonic() - start)
        image = tf.io.decode_image(content, channels=3, expand_animations=False)
        pixels = loaded.serve_pixels(image[None])["probabilities"].numpy()
        differences += [np.abs(one - wanted).max() for one in (alone, pixels)]
    difference = float(np.max(differences))  # NaN if one of them is
    agreement = float((got.argmax(axis=1) == expected.argmax(axis=1)).mean())
    if not (difference <= LIMIT and agreement >= LEAST_AGREEMENT):
        raise GraftError(
            f"The SavedModel differs from the evaluated model by up to {difference:.2g} (limit {LIMIT:g}), and both name the same "
            f"class on {agreement:.1%} of the images (limit {LEAST_AGREEMENT:.1%}): it is not exported."
        )
    return Parity(len(encoded), difference, agreement, round(1000 * statistics.median(seconds), 1))
