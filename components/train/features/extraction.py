"""Features: the frozen backbone's output for every image and view of it, computed once."""

import dataclasses
import hashlib
from collections.abc import Callable
from importlib.metadata import version
from typing import Any

import numpy as np

from graft.components.common.artifacts.dataset import Dataset
from graft.components.common.compute.decoding import VERSION as DECODING
from graft.components.common.compute.passes import Pace, pass_over
from graft.components.common.compute.tensorflow import import_tensorflow
from graft.components.train.config import TrainConfig
from graft.components.train.features.feature_cache import FeatureCache, half
from graft.components.train.network.assembly import Network
from graft.components.train.network.augmentation import VERSION as AUGMENTATION
from graft.components.train.network.augmentation import build_augmentation

Array = np.ndarray[Any, Any]

PLAIN, MIRRORED = "as it is", "mirrored"


Put = Callable[[int, Array, Array], None]
"""Takes features as they come: a view's number, int64 [k] numbers of images, and float16 [k, F] features."""


@dataclasses.dataclass(frozen=True)
class Counts:
    """How features came about.

    Attributes:
        computed: How many images went through the backbone; the others' features were in the store.
        bytes_read: How many bytes of features were read from the store.
        bytes_written: How many were written there.
    """

    computed: int
    bytes_read: int
    bytes_written: int


def views_of(config: TrainConfig) -> list[str]:
    """Returns the names of the views of a training image whose features are wanted; those used at prediction come first."""
    views = prediction_views(config)
    if config.augmentation == "cached":
        how = {name: getattr(config, name) for name in ("flip", "rotation", "shift", "shear", "zoom", "seed")}
        how |= {"layers": AUGMENTATION, "keras": version("keras")}
        views += [f"augmented {number}: {how}" for number in range(config.views)]
    return views


def prediction_views(config: TrainConfig) -> list[str]:
    """Returns the names of the views whose average is the prediction."""
    return [PLAIN, MIRRORED] if config.mirror else [PLAIN]


def kind_of_features(config: TrainConfig, network: Network, view: str) -> dict[str, Any]:
    """Returns all that an image's features of a view depend on but the image itself.

    Args:
        config: Names backbone, cut, image size in pixels, scaling and head.
        network: Knows the weights, and the precision that it computes in.
        view: The view's name.
    """
    return {
        "backbone": config.backbone,
        "weights": network.weights_digest,
        "precision": network.precision,
        "cut": config.cut,
        "image_size": config.image_size,
        "preprocessing": f"{config.scaling}, {DECODING}",
        "pooling": config.head,
        "view": view,
    }


def compute_features(
    dataset: Dataset,
    split: str,
    sha256s: list[str],
    rows: Array,
    put: Put,
    network: Network,
    config: TrainConfig,
    store: str,
    views: list[str],
    pace: Pace,
) -> Counts:
    """Runs images of a split through the extractor, each view once in the life of the store.

    All features pass through float16, in which they are kept, so that training on kept ones gives the same weights.

    Args:
        dataset: Holds the images.
        split: `train` or `validation`.
        sha256s: Content digests of the images whose features are needed.
        rows: int64 [n], the rows of these images in the split's index.
        put: Takes the features; numbers are those of the images in `sha256s`.
        network: What stands before the head.
        config: Also says how views are augmented.
        store: Path or URI of the store; empty for none.
        views: Names of the views.
        pace: What passes through the extractor is added to it.
    """
    tf = import_tensorflow()
    width = network.extractor.output.shape[1]
    caches = [FeatureCache(store, kind_of_features(config, network, view)) for view in views]
    missing = np.ones((len(views), len(sha256s)), bool)
    for view, cache in enumerate(caches):
        for found, vectors in cache.find_by_pack(sha256s, width):
            put(view, found, vectors)
            missing[view, found] = False
    numbers, done = np.flatnonzero(missing.any(axis=0)), 0
    numbers = numbers[np.argsort(rows[numbers])]  # in the order of the index they pass
    if len(numbers):
        wanted = np.zeros(dataset.count(split), bool)
        wanted[rows[numbers]] = True
        chosen = np.flatnonzero(missing.any(axis=1)).tolist()
        seeds = np.stack([_seeds(views[view], [sha256s[number] for number in numbers]) for view in chosen], axis=1)
        augment = build_augmentation(config)
        # What computes in half precision rounds its input first of all: half the bytes go over the bus, and nothing else changes.
        dtype = tf.float16 if network.precision == "mixed_float16" else tf.float32

        def look(image: Any, number: Any) -> Any:
            seen = [
                _view(image[None], views[view], augment, tf.constant(seeds)[number, place])
                for place, view in enumerate(chosen)
            ]
            return tf.cast(tf.concat(seen, axis=0), dtype)

        def extract(images: Any, training: bool) -> Any:
            shape = network.backbone.input.shape[1:]
            features = network.extractor(tf.reshape(images, (-1, *shape)), training=training)
            return tf.reshape(features, (-1, len(chosen), width))

        passes = pass_over(
            "computing features",
            dataset,
            split,
            network.preprocessing,
            extract,
            wanted,
            len(chosen),
            look,
            full=True,
            pace=pace,
        )
        for outputs, _ in passes:
            batch = numbers[done : done + len(outputs)]
            for place, view in enumerate(chosen):
                vectors = half(outputs[:, place])
                put(view, batch, vectors)
                caches[view].keep([sha256s[number] for number in batch], vectors)
            done += len(outputs)
        for view in chosen:
            caches[view].flush()
            caches[view].tidy(width)
    read, written = (sum(getattr(cache, name) for cache in caches) for name in ("bytes_read", "bytes_written"))
    return Counts(len(numbers), read, written)


def _view(plain: Any, view: str, augment: Any, seed: Any) -> Any:
    """Returns a view of one image, float32 [1, H, W, 3]."""
    if view == PLAIN:
        return plain
    return plain[:, :, ::-1] if view == MIRRORED else augment(plain, seed)


def _seeds(view: str, sha256s: list[str]) -> Array:
    """Returns a seed an image and view, int64 [N, 2], that depends on nothing else: new images leave old ones as they are."""
    digests = [hashlib.sha256(f"{view} {sha256}".encode()).digest() for sha256 in sha256s]
    return np.array([np.frombuffer(digest[:16], np.int64) for digest in digests])
