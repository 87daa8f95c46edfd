"""Batches for a fit: shuffled anew each epoch over all images, and the same in every attempt."""

import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from graft.components.common.artifacts.dataset import Dataset
from graft.components.common.artifacts.shards.encoded import read_records
from graft.components.common.artifacts.shards.located import locate
from graft.components.common.compute.machine import cores
from graft.components.common.compute.passes import decode_record, decoded_at_once, naming_damage, read_images
from graft.components.common.compute.tensorflow import as_it_is, import_tensorflow
from graft.components.common.errors import GraftError
from graft.components.train.config import TrainConfig
from graft.components.train.network.augmentation import Augment

Fetch = Callable[[Any], Any]
"""From int64 [n] row numbers to the n inputs in these rows."""

_BYTES = 2**30  # of decoded images that are held in memory, to be read and decoded once


def stream_of(
    fetch: Fetch, targets: Any, config: TrainConfig, phase: int, epochs: int, augment: Augment | None = None
) -> tuple[Callable[[int], Any], int]:
    """Returns a function from the steps done to all batches (inputs, targets) after them, and how many steps an epoch has.

    Order and augmentation follow from seed, phase and step alone, so that a fit that goes on sees what an unbroken one would.
    Several devices share a batch evenly, since each one's mean loss has the same weight: an epoch leaves out the few images
    that can't be shared, others each time.

    Args:
        fetch: Gives the inputs.
        targets: [n, …] targets in the order of the rows.
        config: Gives the size of a batch and the seed.
        phase: Number of the phase: each has its own order.
        epochs: All epochs.
        augment: Augments a batch of images; None for none.
    """
    tf = import_tensorflow()
    replicas = tf.distribute.get_strategy().num_replicas_in_sync
    count, size = len(targets), config.batch_size
    shared = count - count % size % replicas
    steps = math.ceil(shared / size)
    with tf.device("CPU:0"):
        held = tf.constant(targets)

    def rows_after(done: int) -> Iterator[tuple[Any, int]]:
        for epoch in range(done // steps, epochs):
            order = np.random.default_rng((config.seed, phase, epoch)).permutation(count)[:shared]
            for step in range(max(done, epoch * steps), (epoch + 1) * steps):
                start = (step - epoch * steps) * size
                yield order[start : start + size], step

    def batch_of(rows: Any, step: Any) -> tuple[Any, Any]:
        inputs = fetch(rows)
        if augment:
            seed = tf.stack([tf.constant(config.seed, tf.int64), tf.constant(phase * 2**32, tf.int64) + step])
            inputs = augment(inputs, seed)
        return inputs, tf.gather(held, rows)

    def stream(done: int) -> Any:
        numbered = tf.data.Dataset.from_generator(
            lambda: rows_after(done), output_signature=(tf.TensorSpec([None], tf.int64), tf.TensorSpec([], tf.int64))
        )
        return numbered.map(as_it_is(batch_of), num_parallel_calls=cores(), deterministic=True).prefetch(2)

    return stream, steps


def fetch_vectors(vectors: Any) -> Fetch:
    """Returns a function that gives vectors, float16 or float32 [N, F], as float32. They stay where they are, be it on the disk."""
    tf = import_tensorflow()
    there = np.asarray(vectors)

    def read(rows: Any) -> Any:
        return there[rows]

    def fetch(rows: Any) -> Any:
        # Of a tensor that a stream's function refers to, `tf.data` would keep copies.
        found = tf.numpy_function(read, [rows], there.dtype)
        return tf.cast(tf.ensure_shape(found, [None, there.shape[1]]), tf.float32)

    return fetch


def fetch_images(dataset: Dataset, split: str, preprocessing: Any, rows: Any) -> Fetch:
    """Returns a function that gives a split's images as the backbone takes them, float32 [n, H, W, 3].

    They are decoded once and held in memory, or, where they take too much of it, read and decoded whenever they are asked for.

    Args:
        dataset: Holds the images.
        split: `train` or `validation`.
        preprocessing: Keras model from uint8 [1, H, W, 3] to the backbone's input.
        rows: int64 [n], the images' rows in the index, in the order in which the function numbers them.

    Raises:
        GraftError: A shard is missing or damaged, or is not what the dataset's record says.
    """
    tf = import_tensorflow()
    wanted, shape = np.zeros(dataset.count(split), bool), preprocessing.outputs[0].shape[1:]
    wanted[rows] = True
    is_small = len(rows) * math.prod(shape) * np.float32().itemsize <= _BYTES
    fetch = (_held_in_memory if is_small else _read_each_time)(dataset, split, preprocessing, wanted)
    with tf.device("CPU:0"):
        places = tf.constant(np.searchsorted(np.sort(rows), rows))  # in the order of the index
    return lambda numbers: fetch(tf.gather(places, numbers))


def _held_in_memory(dataset: Dataset, split: str, preprocessing: Any, wanted: Any) -> Fetch:
    tf = import_tensorflow()
    images = read_images(dataset, split, wanted, preprocessing).map(as_it_is(lambda image, label: image))
    count = int(wanted.sum())
    with naming_damage(dataset, split):
        # Unlike an iterator, `get_single_element` has what decodes optimised as a graph of its own: 1.2 CPU seconds instead of 0.4.
        held = next(iter(images.batch(count)), ())
    if len(held) != count:
        raise GraftError(f"{dataset.path} holds {len(held)} of {count} wanted {split} images: ingest it again.")
    return lambda rows: tf.gather(held, rows)


def _read_each_time(dataset: Dataset, split: str, preprocessing: Any, wanted: Any) -> Fetch:
    tf = import_tensorflow()
    located = locate(dataset, split, wanted)
    reader = read_records(dataset, located)

    def read(rows: Any) -> Any:
        return np.array([reader[number] for number in located.numbers[rows]], object)

    # Several batches are made at once: where memory is scarce, only one of them decodes.
    at_once, alone = decoded_at_once(located.most_pixels), tf.CriticalSection()
    square = tf.TensorSpec(preprocessing.outputs[0].shape[1:])

    def decoded(records: Any) -> Any:
        return tf.map_fn(
            lambda record: decode_record(record, preprocessing),
            records,
            parallel_iterations=at_once,
            fn_output_signature=square,
        )

    def fetch(rows: Any) -> Any:
        records = tf.ensure_shape(tf.numpy_function(read, [rows], tf.string), [None])
        return decoded(records) if at_once == cores() else alone.execute(lambda: decoded(records))

    return fetch
