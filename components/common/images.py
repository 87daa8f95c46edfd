"""Reading a split's images as a `tf.data.Dataset`."""

from collections.abc import Iterator
from typing import Any

from graft.components.common.dataset import Dataset
from graft.components.common.errors import GraftError
from graft.components.common.progress import progress
from graft.components.common.tensorflow import import_tensorflow


def read_images(dataset: Dataset, split: str, wanted: Any = None) -> Any:
    """Returns a split's images, decoded, in the order of the index.

    Args:
        dataset: The dataset.
        split: `train`, `validation` or `test`.
        wanted: bool [N], true for the images to return, the others not being decoded; None for all.

    Returns:
        A `tf.data.Dataset` of (uint8 [H, W, 3] RGB image, int64 label), sizes varying.
    """
    tf = import_tensorflow()
    features = {
        "image/encoded": tf.io.FixedLenFeature([], tf.string),
        "image/class/label": tf.io.FixedLenFeature([], tf.int64),
    }

    def decode(record: Any) -> tuple[Any, Any]:
        example = tf.io.parse_single_example(record, features)
        image = tf.io.decode_image(example["image/encoded"], channels=3, expand_animations=False)
        image.set_shape([None, None, 3])
        return image, example["image/class/label"]

    records = tf.data.TFRecordDataset(dataset.shards(split))
    if wanted is not None:
        chosen = tf.constant(wanted)
        records = records.enumerate().filter(lambda row, record: chosen[row]).map(lambda row, record: record)
    return records.map(decode, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True)


def pass_over(
    what: str,
    dataset: Dataset,
    split: str,
    preprocessing: Any,
    network: Any,
    wanted: Any = None,
    batch: int = 32,
) -> Iterator[tuple[Any, Any]]:
    """Runs a network over a split, each image once, resized one by one since sizes vary.

    Args:
        what: What the pass is for, for the progress.
        dataset: The dataset.
        split: Its split.
        preprocessing: Keras model from uint8 [N, H, W, 3] to the network's input, of one shape whatever H and W.
        network: Keras model from that to a tensor whose first axis is the batch; it runs in inference mode.
        wanted: bool [N], true for the images to run, in the order of the index; None for all.
        batch: Images a batch.

    Yields:
        The network's output and the int64 labels of a batch, as numpy arrays.

    Raises:
        GraftError: A shard is missing or damaged, or is not what the dataset's record says.
    """
    tf = import_tensorflow()

    def prepare(image: Any, label: Any) -> tuple[Any, Any]:
        return preprocessing(image[None], training=False)[0], label

    prepared = read_images(dataset, split, wanted).map(prepare, num_parallel_calls=tf.data.AUTOTUNE)
    total, seen = dataset.count(split) if wanted is None else int(wanted.sum()), 0
    compiled = tf.function(lambda inputs: network(inputs, training=False), reduce_retracing=True)
    try:
        with progress(what, total) as advance:
            for inputs, labels in prepared.batch(batch).prefetch(2):
                seen += len(labels)
                yield compiled(inputs).numpy(), labels.numpy()
                advance(len(labels))
    except (tf.errors.DataLossError, tf.errors.NotFoundError, tf.errors.InvalidArgumentError) as error:
        raise GraftError(f"{dataset.path} is damaged ({error.message}): ingest it again.") from error
    if seen != total:
        raise GraftError(f"{dataset.path} holds {seen} {split} images and its record says {total}: ingest it again.")
