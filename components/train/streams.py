"""Batches for a fit: shuffled anew each epoch, and the same in every attempt."""

import itertools
import math
from collections.abc import Callable
from typing import Any

import numpy as np

from graft.components.common.dataset import Dataset
from graft.components.common.images import read_images
from graft.components.common.tensorflow import import_tensorflow
from graft.components.train.augmentation import Augment
from graft.components.train.config import TrainConfig

_BYTES = 2**30  # of decoded images that are held in memory, to be read and decoded once


def stream_of(
    samples: Any, count: int, config: TrainConfig, epochs: int, augment: Augment | None = None
) -> Callable[[int], Any]:
    """Returns a function from the first epoch to the batches of that and all further ones.

    Order and augmentation follow from seed and epoch alone, so that a fit that goes on sees what an unbroken one would.

    Args:
        samples: `tf.data.Dataset` of (input, target).
        count: How many there are.
        config: The step's settings.
        epochs: All epochs.
        augment: Augments a batch of images; None for none.
    """
    tf = import_tensorflow()
    (spec, _) = samples.element_spec
    buffer = min(count, max(config.batch_size, _BYTES // _bytes_of(spec)))
    steps = math.ceil(count / config.batch_size)

    numbers = np.random.default_rng(config.seed).integers(2**31, size=epochs)

    def augmented(step: Any, batch: Any) -> Any:
        images, targets = batch
        return augment(images, tf.stack([tf.constant(config.seed, tf.int64), step])), targets  # type: ignore[misc]

    def epoch_of(epoch: int) -> Any:
        shuffled = samples.shuffle(buffer, seed=int(numbers[epoch]), reshuffle_each_iteration=False)
        batches = shuffled.batch(config.batch_size)
        if augment:
            numbered = batches.enumerate(start=epoch * steps)
            batches = numbered.map(augmented, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True)
        return batches

    def stream(first: int) -> Any:
        signature = samples.batch(config.batch_size).element_spec
        batches = tf.data.Dataset.from_generator(
            lambda: itertools.chain.from_iterable(map(epoch_of, range(first, epochs))), output_signature=signature
        )
        return batches.prefetch(2)

    return stream


def image_samples(dataset: Dataset, split: str, preprocessing: Any, wanted: Any, targets: Any) -> Any:
    """Returns a split's images as the backbone takes them, with their targets.

    Args:
        dataset: The dataset.
        split: Its split.
        preprocessing: Keras model from uint8 [1, H, W, 3] to the backbone's input.
        wanted: bool [N], true for the images to return, in the order of the index.
        targets: [n, …] targets of those.
    """
    tf = import_tensorflow()
    chosen = tf.constant(targets)
    samples = (
        read_images(dataset, split, wanted)
        .enumerate()
        .map(
            lambda number, image: (preprocessing(image[0][None], training=False)[0], chosen[number]),
            num_parallel_calls=tf.data.AUTOTUNE,
            deterministic=True,
        )
    )
    fits = int(wanted.sum()) * _bytes_of(samples.element_spec[0]) <= _BYTES
    return samples.cache() if fits else samples


def _bytes_of(spec: Any) -> int:
    return int(np.prod(spec.shape)) * int(spec.dtype.size)
