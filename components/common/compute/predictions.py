"""Running a saved model over a split, by the model's own layers."""

import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from graft.components.common.artifacts.dataset import Dataset
from graft.components.common.artifacts.shards.encoded import read_encoded
from graft.components.common.compute.decoding import decode
from graft.components.common.compute.keras_models import HEAD, NETWORK, PREPROCESSING
from graft.components.common.compute.passes import pass_over
from graft.components.common.compute.running import pays_to_compile
from graft.components.common.compute.tensorflow import import_tensorflow
from graft.components.common.errors import GraftError

# What the head's last layer sees is mapped to so many numbers at random, which keeps distances nearly as they are (Johnson and
# Lindenstrauss, 1984) and memory small.
FEATURES = 64
_TOLERANCE = 1e-4  # a batch and a single image may be computed by other algorithms, on a GPU above all

Array = np.ndarray[Any, Any]


def predict(model: Any, dataset: Dataset, split: str, what: str) -> tuple[Array, Array, Array]:
    """Computes a model's probabilities for every image of a split, and in the same pass what its last layer sees.

    >>> from graft.components.common.compute.keras_models import load_model
    >>> probabilities, labels, features = predict(load_model(model), Dataset.load(dataset), "validation", "predicting")
    >>> probabilities.shape, labels.shape, features.shape
    ((20, 2), (20,), (20, 64))

    Args:
        model: A model that the train step saved.
        dataset: Holds the images.
        split: `train`, `validation` or `test`.
        what: What this is for, for the progress.

    Returns:
        float32 [N, classes] probabilities, int64 [N] labels, and float32 [N, FEATURES], in the order of the index.

    Raises:
        GraftError: As `predict_batches` does.
    """
    batches = list(predict_batches(model, dataset, split, what))
    probabilities, labels, features = (np.concatenate(parts) for parts in zip(*batches, strict=True))
    return probabilities, labels, features


def predict_batches(
    model: Any,
    dataset: Dataset,
    split: str,
    what: str,
    wanted: Array | None = None,
    put: Callable[[Array], None] | None = None,
) -> Iterator[tuple[Array, Array, Array]]:
    """Computes what `predict` does for some images of a split, a batch at a time. An image's numbers don't depend on the others.

    Images differ in size, so that a batch can't hold them as they are: the model's own preprocessing runs on each, and
    its network on batches. On the first image the result is compared with the whole model's.

    Args:
        model: A model that the train step saved.
        dataset: Holds the images.
        split: `train`, `validation` or `test`.
        what: What this is for, for the progress.
        wanted: bool [N], true for the images to run, of which there are some, in the order of the index; None for all.
        put: Takes of each batch what the head sees, float32 [k, F], before the batch is yielded; None for nothing.

    Yields:
        Of each batch what `predict` returns of all.

    Raises:
        GraftError: The dataset is damaged or its classes are not the model's, or the parts disagree with the whole.
    """
    preprocessing, network = model.get_layer(PREPROCESSING), _with_features(model.get_layer(NETWORK), put is not None)
    columns = model.output.shape[1]
    # Whether XLA compiles is a matter of the whole split, as it is for a run that finds nothing kept.
    compiles = pays_to_compile(dataset.count(split) * math.prod(preprocessing.outputs[0].shape[1:3]))
    first = 0 if wanted is None else int(wanted.argmax())
    passes = pass_over(what, dataset, split, preprocessing, network, wanted, full=True, compiles=compiles)
    for number, (outputs, labels) in enumerate(passes):
        if number == 0:  # while the network runs on
            _compare(model, dataset, split, first, outputs[0, :columns])
        probabilities = by_class(outputs[:, :columns])
        if probabilities.shape[1] != len(dataset.classes):
            raise GraftError(
                f"The model tells {probabilities.shape[1]} classes apart and {dataset.path} has {len(dataset.classes)}."
            )
        features = outputs[:, columns : columns + FEATURES]
        if put:
            put(outputs[:, columns + FEATURES :])
            probabilities, features = probabilities.copy(), features.copy()  # views of them would hold all that was put
        yield probabilities, labels, features


def check_finite(probabilities: Array, model: str) -> None:
    """Refuses a model whose answers are no numbers: no figure of it would mean anything.

    Args:
        probabilities: float [N, classes], its answers.
        model: The model's path or URI, for the message.

    Raises:
        GraftError: An answer is infinite or not a number.
    """
    if bad := int((~np.isfinite(probabilities)).any(axis=1).sum()):
        raise GraftError(
            f"{model} gives no finite probability for {bad:,} of {len(probabilities):,} images: train it again, or name another."
        )


def _compare(model: Any, dataset: Dataset, split: str, row: int, probabilities: Array) -> None:
    """Compares what a model's parts gave for an image of a split, float32 [classes or 1], with what the whole model gives.

    Raises:
        GraftError: They disagree.
    """
    # Decoded and called as it is, since to compile either for one image would take longer; a GPU would look for algorithms for it.
    with import_tensorflow().device("CPU:0"):
        image = decode(next(read_encoded(dataset, split, [row])))
        whole = model(image[None], training=False).numpy()[0]
    if np.abs(whole - probabilities).max() > _TOLERANCE:
        raise GraftError(
            "The model's parts disagree with the whole model on the same image: train it again with this Graft."
        )


def _with_features(network: Any, whole: bool) -> Any:
    """Returns a network whose output goes on, after the probabilities, with `FEATURES` numbers of what its last layer sees.

    Args:
        network: The network.
        whole: Whether all that the head sees comes after them.
    """
    import keras

    seen: list[Any] = []

    def call(layer: Any, *args: Any, **kwargs: Any) -> Any:
        if layer.name == HEAD and not seen:  # of a mirrored model, the image as it is
            hidden = args[0]
            for part in layer.layers[:-1]:
                hidden = part(hidden, training=False)
            seen.extend([hidden, args[0]])
        return layer(*args, **kwargs)

    same = keras.models.clone_model(network, clone_function=lambda layer: layer, call_function=call)
    chance = np.random.default_rng(0).standard_normal((seen[0].shape[1], FEATURES)) / np.sqrt(FEATURES)
    mapped = keras.ops.matmul(seen[0], chance.astype("float32"))
    outputs = [same.output, mapped, *(seen[1:] if whole else [])]
    return keras.Model(same.input, keras.ops.concatenate(outputs, axis=1))


def is_confident(probabilities: Array, abstain_below: float) -> Array:
    """Tells for which images a model is confident, bool [N]: as every export computes it, in 32 bits.

    Args:
        probabilities: float32 [N, classes].
        abstain_below: The confidence below which it is not.
    """
    return np.asarray(probabilities.max(axis=1) >= np.float32(abstain_below))


def by_class(probabilities: Array) -> Array:
    """Turns a sigmoid's probability of class 1, float32 [N, 1], into one column a class; others stay as they are."""
    return np.hstack([1 - probabilities, probabilities]) if probabilities.shape[1] == 1 else probabilities
