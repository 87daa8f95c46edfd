"""Reading a split's images as a `tf.data.Dataset`, and passing them through a network."""

import contextlib
import dataclasses
import math
import re
import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from typing import Any

from graft.components.common.artifacts.dataset import Dataset
from graft.components.common.artifacts.shards.downloads import raise_refused
from graft.components.common.artifacts.shards.encoded import read_encoded, read_records
from graft.components.common.artifacts.shards.located import locate
from graft.components.common.compute.decoding import decode
from graft.components.common.compute.machine import cores, decoding_memory
from graft.components.common.compute.running import images_at_once, on_all_devices, on_gpus, pays_to_compile
from graft.components.common.compute.tensorflow import as_it_is, import_tensorflow
from graft.components.common.errors import GraftError
from graft.components.common.progress import progress

_IN_FLIGHT = 2
"""Batches that the network works on at once. With one, TensorFlow's threads sleep between any two operations. A virtual machine may then
wake all of them on one of its processors while another one idles: a pass took 2.0 times as long on two processors."""
_AHEAD = 2**26
"""Bytes of batches that are read ahead: while the network is traced, on one core, the other ones decode."""
_PIXEL = 20  # bytes that a pixel takes in `decode`, be it transparent: measured were 19


@dataclasses.dataclass
class Pace:
    """How fast images passed through a network.

    Attributes:
        images: How many did.
        seconds: How long it took.
        waited: Seconds of it for which the network had nothing to do, since no images were read, decoded and prepared.
    """

    images: int = 0
    seconds: float = 0.0
    waited: float = 0.0


def read_images(dataset: Dataset, split: str, wanted: Any = None, preprocessing: Any = None) -> Any:
    """Returns a split's images, decoded, in the order of the index.

    Args:
        dataset: Holds the images.
        split: `train`, `validation` or `test`.
        wanted: bool [N], true for the images to return, the others not being decoded; None for all.
        preprocessing: What is done to each, as `decode` takes it; None for nothing.

    Returns:
        A `tf.data.Dataset` of (what `decode` returns, int64 label).
    """
    tf = import_tensorflow()
    import numpy as np

    located = locate(dataset, split, wanted)
    is_wanted = np.zeros(located.records, bool)
    is_wanted[located.numbers] = True
    rows = tf.data.Dataset.from_tensor_slices(is_wanted)
    paths = tf.data.Dataset.from_generator(lambda: iter(located.paths), output_signature=tf.TensorSpec((), tf.string))
    records = tf.data.Dataset.zip(tf.data.TFRecordDataset(paths), rows)
    chosen = records.filter(as_it_is(lambda _, wanted: wanted)).map(as_it_is(lambda record, _: record))
    images = chosen.map(
        as_it_is(lambda record: decode_record(record, preprocessing)),
        num_parallel_calls=decoded_at_once(located.most_pixels),
        deterministic=True,
    )
    return tf.data.Dataset.zip(images, tf.data.Dataset.from_tensor_slices(located.labels))


def decoded_at_once(most_pixels: int) -> int:
    """Returns how many images to decode at once: one a core, or fewer for want of memory.

    Args:
        most_pixels: Of the largest one.
    """
    fitting = decoding_memory() // max(1, most_pixels * _PIXEL)
    return max(1, min(fitting, cores()))


def decode_record(record: Any, preprocessing: Any = None) -> Any:
    """Decodes a shard's record as `decode` does, within a `tf.data` pipeline.

    Its label is in the index: a label that was mended makes no new shard.
    """
    tf = import_tensorflow()
    example = tf.io.parse_single_example(record, {"image/encoded": tf.io.FixedLenFeature([], tf.string)})
    return decode(example["image/encoded"], preprocessing)


@contextlib.contextmanager
def naming_damage(dataset: Dataset, *splits: str) -> Iterator[None]:
    """Turns TensorFlow's errors about a dataset's images into one that names the shard or the image, and the remedy.

    Args:
        dataset: Holds the images.
        splits: The splits that are read within.

    Raises:
        GraftError: A shard is missing or damaged or can't be had, or an image can't be decoded.
    """
    tf = import_tensorflow()
    try:
        yield
    except (
        tf.errors.DataLossError,
        tf.errors.NotFoundError,
        tf.errors.InvalidArgumentError,
        tf.errors.UnknownError,
    ):
        raise_refused(dataset)
        for split in splits:
            _check(dataset, split)
        raise


def _check(dataset: Dataset, split: str) -> None:
    """Reads and decodes a split's images one by one.

    Raises:
        GraftError: One can't be read or decoded.
    """
    tf = import_tensorflow()
    read_records(dataset, locate(dataset, split))
    paths = dataset.index(split, ["path"])["path"]
    for path, encoded in zip(paths, read_encoded(dataset, split, range(len(paths))), strict=True):
        try:
            decode(encoded)
        except tf.errors.InvalidArgumentError as error:
            reason = re.sub(r"{{.*?}} ?| ?\[Op:.*", "", error.message)
            raise GraftError(
                f"{dataset.path} holds an image that can't be decoded, {path} ({reason}): remove it from the source, and ingest again."
            ) from error


def pass_over(
    what: str,
    dataset: Dataset,
    split: str,
    preprocessing: Any,
    network: Any,
    wanted: Any = None,
    views: int = 1,
    look: Callable[[Any, Any], Any] = lambda image, number: image,
    *,
    full: bool = False,
    compiles: bool | None = None,
    pace: Pace | None = None,
) -> Iterator[tuple[Any, Any]]:
    """Runs a network over a split, each image once, prepared one by one since sizes vary.

    Args:
        what: What the pass is for, for the progress.
        dataset: Holds the images.
        split: `train`, `validation` or `test`.
        preprocessing: What is done to each image, as `decode` takes it.
        network: Keras model or function from a batch of that to a tensor whose first axis is the batch.
        wanted: bool [N], true for the images to run, in the order of the index; None for all.
        views: How many images the network sees for one of the split, by which batches are smaller.
        look: Makes these from a preprocessed image, float32 [S, S, 3], and its number among the wanted ones.
        full: Fill the last batch up with what is then left out: an image's output must not depend on how many others there
            are, as its last bit may on a batch's size. On GPUs it always is.
        compiles: Whether XLA compiles the network; None if that pays for the images that are run.
        pace: What the pass is added to; None for nothing.

    Yields:
        The network's output and the int64 labels of a batch, as numpy arrays.

    Raises:
        GraftError: A shard is missing or damaged, or is not what the dataset's record says.
    """
    tf = import_tensorflow()
    total, seen = dataset.count(split) if wanted is None else int(wanted.sum()), 0
    images = read_images(dataset, split, wanted, preprocessing).enumerate()
    prepared = images.map(
        as_it_is(lambda number, image: (look(image[0], number), image[1])), num_parallel_calls=cores()
    )
    pixels, devices = math.prod(preprocessing.outputs[0].shape[1:3]), tf.distribute.get_strategy().num_replicas_in_sync
    size = max(1, images_at_once(pixels) // views // devices) * devices
    batches = prepared.batch(size)
    ahead = max(_IN_FLIGHT, _AHEAD // (size * views * pixels * 12))  # three channels of float32
    run = on_all_devices(
        network,
        batches.element_spec[0],
        size=size if full or on_gpus() else 0,
        compiles=pays_to_compile(total * views * pixels) if compiles is None else compiles,
    )
    with naming_damage(dataset, split), progress(what, total) as advance, ThreadPoolExecutor(_IN_FLIGHT) as pool:
        for outputs, labels in _keep_busy(pool, run, batches.prefetch(ahead), pace or Pace()):
            seen += len(labels)
            yield outputs, labels
            advance(len(labels))
    if seen != total:
        raise GraftError(f"{dataset.path} holds {seen} {split} images and its record says {total}: ingest it again.")


def _keep_busy(pool: Executor, run: Callable[[Any], Any], batches: Any, pace: Pace) -> Iterator[tuple[Any, Any]]:
    """Runs a network over batches, and while it runs, has the next ones read.

    Args:
        pool: As many threads as batches are to run at once.
        run: As `on_all_devices` makes it.
        batches: `tf.data.Dataset` of (inputs, labels).
        pace: What the pass is added to.

    Yields:
        The network's output and the labels of a batch, as numpy arrays.
    """

    def timed(inputs: Any) -> tuple[Any, float]:
        return run(inputs), time.monotonic()

    running: deque[tuple[Future[tuple[Any, float]], Any]] = deque()
    begun = since = time.monotonic()
    for inputs, labels in batches:
        if all(future.done() for future, _ in running):
            pace.waited += time.monotonic() - max([since, *(future.result()[1] for future, _ in running)])
        running.append((pool.submit(timed, inputs), labels.numpy()))
        pace.images += len(labels)
        if len(running) > _IN_FLIGHT:
            future, done = running.popleft()
            yield future.result()[0], done
        since = time.monotonic()
    for future, done in running:
        yield future.result()[0], done
    pace.seconds += time.monotonic() - begun
