"""The images whose features are at hand: those that were just evaluated, and, with a store, all others."""

import dataclasses
import itertools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from graft.components.common.artifacts.dataset import INDEX, LABEL_KEPT, TRAIN, Dataset
from graft.components.common.artifacts.model import Model
from graft.components.common.compute.kept_features import PLAIN, FeatureCache, half, kind_of_features
from graft.components.common.compute.keras_models import EXTRACTOR, NETWORK, backbone_of
from graft.components.common.compute.likeness.pictures import pictures_of
from graft.components.common.compute.predictions import predict_batches
from graft.components.common.compute.scratch_array import scratch_array
from graft.components.evaluate.contamination import known_columns

_EVALUATED = "as evaluate computes it"  # apart from what training finds, which must be the same to the last bit
_AT_ONCE = 4_096

Array = np.ndarray[Any, Any]


@dataclasses.dataclass(frozen=True)
class _Part:
    """The features at one of the cuts: their columns, and where they are kept, as training computed them and as this step does."""

    columns: slice
    by_training: FeatureCache
    own: FeatureCache

    @property
    def width(self) -> int:
        return int(self.columns.stop - self.columns.start)


@dataclasses.dataclass(frozen=True)
class _Listed:
    """The fields of `Known` that the index tells."""

    split: Array
    rows: Array
    sha256s: list[str]
    paths: list[str]
    pictures: Array
    labels: Array
    kept: Array


@dataclasses.dataclass(frozen=True)
class Known:
    """Images with their features, in the order of their content, however they lie in the shards.

    Attributes:
        splits: Their splits, by name.
        split: int64 [N], the number of each image's split in `splits`.
        rows: int64 [N], each image's row in the index of its split.
        sha256s: Their content digests.
        paths: Their paths in the source.
        pictures: int64 [N], the pictures that they show, as `pictures_of` numbers them.
        labels: int64 [N], their labels.
        kept: bool [N], true where a person found the label right.
        features: float16 [N, F], maybe on the disk.
        found: bool [N], true where there are features, all of which are finite numbers.
        bytes_read: Bytes of features that were read from the store.
        bytes_written: Bytes of features that were written there.
    """

    splits: tuple[str, ...]
    split: Array
    rows: Array
    sha256s: list[str]
    paths: list[str]
    pictures: Array
    labels: Array
    kept: Array
    features: Array
    found: Array
    bytes_read: int
    bytes_written: int


def why_unknown(training: Model) -> str:
    """Returns why images can't be compared by what a model's head sees; empty if they can."""
    if training.config.get("head") != "gap":
        return "the model's head takes whole maps of features, and images are compared by pooled ones"
    if training.config.get("unfreeze"):
        return "the model's backbone was tuned on these very labels"
    return ""


def gather(data: Dataset, evaluated: str, seen: Array, training: Model, model: Any, store: str) -> Known:
    """Gathers the features of all images that they are known of, or can be for little.

    Those of the training images lie in the store since the training: what is not there is left out, since to compute it would take another
    pass over most of the images. Those of a third split are computed once, and kept.

    Args:
        data: Holds the images.
        evaluated: The evaluated split.
        seen: float16 [n, F], the features of its images in the order of the index.
        training: The model's record.
        model: The loaded Keras model.
        store: Path or URI of the store; empty for none: then only the evaluated images' are known.

    Raises:
        GraftError: The dataset or the store can't be read, or the store can't be written.
    """
    splits = (evaluated, *(split for split in data.counts if store and split != evaluated))
    listed = _listed(data, splits)
    # The places of each split's images, in the order of its index.
    by_split = [np.flatnonzero(listed.split == number) for number in range(len(splits))]
    here, *others = [places[np.argsort(listed.rows[places])] for places in by_split]
    features = scratch_array((len(listed.rows), seen.shape[1]))
    for start in range(0, len(seen), _AT_ONCE):
        features[here[start : start + _AT_ONCE]] = seen[start : start + _AT_ONCE]
    found = listed.split == 0
    caches: list[FeatureCache] = []
    for name, places in zip(splits[1:], others, strict=True):
        parts = _parts(training, model, store)
        caches += [cache for part in parts for cache in (part.by_training, part.own)]

        def put(rows: Array, columns: slice, vectors: Array, places: Array = places) -> None:
            features[places[rows], columns] = vectors

        sha256s = [listed.sha256s[place] for place in places]
        found[places] = _find(data, name, sha256s, parts, None if name == TRAIN else model, put)
    for start in range(0, len(found), _AT_ONCE):
        found[start : start + _AT_ONCE] &= np.isfinite(features[start : start + _AT_ONCE]).all(axis=1)
    read, written = (sum(getattr(cache, name) for cache in caches) for name in ("bytes_read", "bytes_written"))
    return Known(splits, **vars(listed), features=features, found=found, bytes_read=read, bytes_written=written)


def _listed(data: Dataset, splits: Sequence[str]) -> _Listed:
    """Returns the images of some splits, in the order of their content."""
    columns = ["sha256", "path", "label", *known_columns(data.path / INDEX, [LABEL_KEPT], str(data.path))]
    indices = [data.index(split, columns) for split in splits]
    numbers = {name: number for number, name in enumerate(data.classes)}
    sizes = [len(index["sha256"]) for index in indices]
    sha256s, paths = ([value for index in indices for value in index[name]] for name in ("sha256", "path"))
    labels = np.array([numbers[name] for index in indices for name in index["label"]], np.int64)
    kept = np.array(
        [bool(is_kept) for index in indices for is_kept in index.get(LABEL_KEPT, [False] * len(index["path"]))]
    )
    split = np.repeat(np.arange(len(splits)), sizes)
    rows = np.concatenate([np.arange(size) for size in sizes])
    order = np.lexsort((rows, split, labels, np.array(sha256s, "S")))
    return _Listed(
        split[order],
        rows[order],
        [sha256s[place] for place in order],
        [paths[place] for place in order],
        pictures_of(data, splits)[order],
        labels[order],
        kept[order],
    )


def _parts(training: Model, model: Any, store: str) -> list[_Part]:
    """Returns where the features of a split are kept, cut by cut, in the order in which the head takes them."""
    cuts = str(training.config["cut"]).split("+")
    maps = backbone_of(model.get_layer(NETWORK).get_layer(EXTRACTOR)).outputs
    ends = np.cumsum([0, *(output.shape[-1] for output in maps)]).tolist()

    def cache(cut: str, precision: str, view: str) -> FeatureCache:
        return FeatureCache(store, kind_of_features(training.config, training.weights_digest, precision, view, cut))

    return [
        _Part(slice(*columns), cache(cut, training.devices.precision, PLAIN), cache(cut, "float32", _EVALUATED))
        for cut, columns in zip(cuts, itertools.pairwise(ends), strict=True)
    ]


def _find(
    data: Dataset,
    split: str,
    sha256s: Sequence[str],
    parts: Sequence[_Part],
    model: Any,
    put: Callable[[Array, slice, Array], None],
) -> Array:
    """Finds the features of a split's images: kept ones, then those that a model, if any, computes.

    Args:
        data: Holds the images.
        split: The split.
        sha256s: Its content digests, in the order of the index.
        parts: Where features are kept.
        model: The loaded Keras model; None to compute nothing.
        put: Takes int64 [n] rows, the columns, and the features, float16 [n, F].

    Returns:
        bool [N], true for images whose features are whole.
    """
    missing = np.ones((len(parts), len(sha256s)), bool)
    for part, is_missing in zip(parts, missing, strict=True):
        for cache in (part.by_training, part.own):
            left = np.flatnonzero(is_missing)
            for found, vectors in cache.find_by_pack([sha256s[row] for row in left.tolist()], part.width):
                is_missing[left[found]] = False
                put(left[found], part.columns, vectors)
    wanted = np.asarray(missing.any(axis=0))
    if model is None or not wanted.any():
        return ~wanted
    rows, done = np.flatnonzero(wanted), 0
    batches: list[Array] = []
    for _ in predict_batches(model, data, split, f"computing features of {split} images", wanted, batches.append):
        vectors = half(batches.pop())
        now = rows[done : done + len(vectors)]
        for part, is_missing in zip(parts, missing, strict=True):
            lacking = is_missing[now]
            put(now[lacking], part.columns, vectors[lacking, part.columns])
            part.own.keep([sha256s[row] for row in now[lacking].tolist()], vectors[lacking, part.columns])
        done += len(now)
    for part in parts:
        part.own.flush()
        part.own.tidy(part.width)
    return np.ones(len(sha256s), bool)
