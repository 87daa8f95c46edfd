"""Features: the frozen backbone's output for every image and view of it, computed once."""

import dataclasses
import functools
import hashlib
from collections.abc import Callable
from importlib.metadata import version
from typing import Any

import numpy as np

from graft.components.common.artifacts.dataset import Dataset
from graft.components.common.compute.kept_features import PLAIN, FeatureCache, half, kind_of_features
from graft.components.common.compute.passes import Pace, pass_over
from graft.components.common.compute.tensorflow import import_tensorflow
from graft.components.train.config import TrainConfig
from graft.components.train.network.assembly import Network
from graft.components.train.network.augmentation import VERSION as AUGMENTATION
from graft.components.train.network.augmentation import build_augmentation

Array = np.ndarray[Any, Any]

MIRRORED = "mirrored"


Put = Callable[[int, slice, Array, Array], None]
"""Takes features as they come: a view's number, the columns they go to, int64 [k] numbers of images, and float16 [k, F] features."""


@dataclasses.dataclass(frozen=True)
class _Part:
    """The features of a view at a cut: where they go, and where they are kept."""

    view: int
    columns: slice
    cache: FeatureCache

    @property
    def width(self) -> int:
        return int(self.columns.stop - self.columns.start)


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


def columns_of(config: TrainConfig, network: Network) -> dict[str, slice]:
    """Returns the columns of the features that each cut gives."""
    cuts = config.cut.split("+")
    if len(cuts) == 1:
        return {config.cut: slice(0, network.extractor.output.shape[1])}
    ends = np.cumsum([output.shape[-1] for output in network.backbone.outputs]).tolist()
    return {cut: slice(start, end) for cut, start, end in zip(cuts, [0, *ends], ends, strict=False)}


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
    settings = dataclasses.asdict(config)
    kind = functools.partial(kind_of_features, settings, network.weights_digest, network.precision)
    parts = [
        _Part(view, columns, FeatureCache(store, kind(name, cut)))
        for view, name in enumerate(views)
        for cut, columns in columns_of(config, network).items()
    ]
    missing = np.ones((len(parts), len(sha256s)), bool)
    for part, is_missing in zip(parts, missing, strict=True):
        for found, vectors in part.cache.find_by_pack(sha256s, part.width):
            put(part.view, part.columns, found, vectors)
            is_missing[found] = False
    numbers, done = np.flatnonzero(missing.any(axis=0)), 0
    numbers = numbers[np.argsort(rows[numbers])]  # in the order of the index they pass
    if len(numbers):
        wanted = np.zeros(dataset.count(split), bool)
        wanted[rows[numbers]] = True
        computed = [(part, is_missing) for part, is_missing in zip(parts, missing, strict=True) if is_missing.any()]
        chosen = sorted({part.view for part, _ in computed})
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
            for part, is_missing in computed:
                lacking = is_missing[batch]
                vectors = half(outputs[lacking, chosen.index(part.view), part.columns])
                put(part.view, part.columns, batch[lacking], vectors)
                part.cache.keep([sha256s[number] for number in batch[lacking]], vectors)
            done += len(outputs)
        for part, _ in computed:
            part.cache.flush()
            part.cache.tidy(part.width)
    read, written = (sum(getattr(part.cache, name) for part in parts) for name in ("bytes_read", "bytes_written"))
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
