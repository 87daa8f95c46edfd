"""Features: the frozen backbone's output for every image and view of it, computed once."""

import dataclasses
import hashlib
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


@dataclasses.dataclass(frozen=True)
class Features:
    """The features of the wanted images of a split.

    Attributes:
        vectors: float16 [V, n, F], by view and in the order of the index.
        computed: How many images went through the backbone; the others' features were in the store.
        bytes_read: How many bytes of features were read from the store.
        bytes_written: How many were written there.
    """

    vectors: Array
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
    all_sha256s: list[str],
    wanted: Array,
    network: Network,
    config: TrainConfig,
    store: str,
    views: list[str],
    pace: Pace,
) -> Features:
    """Runs a split's images through the extractor, each view once in the life of the store.

    All features pass through float16, in which they are kept, so that training on kept ones gives the same weights.

    Args:
        dataset: Holds the images.
        split: `train` or `validation`.
        all_sha256s: Content digests of the split's images.
        wanted: bool [N], true for the images whose features are needed.
        network: What stands before the head.
        config: Also says how views are augmented.
        store: Path or URI of the store; empty for none.
        views: Names of the views.
        pace: What passes through the extractor is added to it.
    """
    tf = import_tensorflow()
    sha256s = [sha256 for sha256, needed in zip(all_sha256s, wanted, strict=True) if needed]
    width = network.extractor.output.shape[1]
    caches = [FeatureCache(store, kind_of_features(config, network, view)) for view in views]
    looked_up = [cache.find(sha256s, width) for cache in caches]
    vectors, missing = [features for features, _ in looked_up], [~found for _, found in looked_up]
    rows, done = np.flatnonzero(np.any(missing, axis=0)), 0
    if len(rows):
        computed = np.zeros(len(wanted), bool)
        computed[np.flatnonzero(wanted)[rows]] = True
        chosen = [number for number, rest in enumerate(missing) if rest.any()]
        seeds = np.stack([_seeds(views[number], [sha256s[row] for row in rows]) for number in chosen], axis=1)
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
            computed,
            len(chosen),
            look,
            full=True,
            pace=pace,
        )
        for outputs, _ in passes:
            batch = rows[done : done + len(outputs)]
            for place, view in enumerate(chosen):
                vectors[view][batch] = half(outputs[:, place])
                caches[view].keep([sha256s[row] for row in batch], vectors[view][batch])
            done += len(outputs)
        for view in chosen:
            caches[view].flush()
            caches[view].tidy(width)
    read, written = (sum(getattr(cache, name) for cache in caches) for name in ("bytes_read", "bytes_written"))
    return Features(np.stack(vectors), len(rows), read, written)


def _view(plain: Any, view: str, augment: Any, seed: Any) -> Any:
    """Returns a view of one image, float32 [1, H, W, 3]."""
    if view == PLAIN:
        return plain
    return plain[:, :, ::-1] if view == MIRRORED else augment(plain, seed)


def _seeds(view: str, sha256s: list[str]) -> Array:
    """Returns a seed an image and view, int64 [N, 2], that depends on nothing else: new images leave old ones as they are."""
    digests = [hashlib.sha256(f"{view} {sha256}".encode()).digest() for sha256 in sha256s]
    return np.array([np.frombuffer(digest[:16], np.int64) for digest in digests])
