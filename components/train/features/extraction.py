"""Features: the frozen backbone's output for every image and view of it, computed once."""

import dataclasses
import hashlib
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from graft.components.common.artifacts.dataset import Dataset
from graft.components.common.compute.kept_features import PLAIN, half
from graft.components.common.compute.passes import Pace, pass_over
from graft.components.common.compute.running import pays_to_compile
from graft.components.common.compute.tensorflow import import_tensorflow
from graft.components.train.config import TrainConfig
from graft.components.train.features.choice import MIRRORED, Needed
from graft.components.train.features.pieces import Piece, pieces_of
from graft.components.train.features.planned import Work
from graft.components.train.network.assembly import Network
from graft.components.train.network.augmentation import build_augmentation

Array = np.ndarray[Any, Any]

Put = Callable[[int, slice, Array, Array], None]
"""Takes features as they come: a view's number, the columns they go to, int64 [k] numbers of images, and float16 [k, F] features."""


@dataclasses.dataclass(frozen=True)
class Counts:
    """How features came about.

    Attributes:
        computed: int64 [k], the rows of the images that went through the backbone; the others' features were in the store.
        bytes_read: How many bytes of features were read from the store.
        bytes_written: How many were written there.
    """

    computed: Array
    bytes_read: int
    bytes_written: int


def compute_features(
    dataset: Dataset,
    needed: Needed,
    put: Put,
    network: Network,
    config: TrainConfig,
    store: str,
    pace: Pace,
    work: Work | None = None,
) -> Counts:
    """Finds features, and runs images that lack some through the extractor, each view once in the life of the store.

    All features pass through float16, in which they are kept, so that training on kept ones gives the same weights.

    Args:
        dataset: Holds the images.
        needed: The images whose features are needed.
        put: Takes the features; numbers are those of the images in `needed`.
        network: What stands before the head.
        config: Also says how views are augmented.
        store: Path or URI of the store; empty for none.
        pace: What passes through the extractor is added to it.
        work: What parts were to compute of the split before; None for nothing.
    """
    pieces = pieces_of(store, config, network, needed.views)
    missing = np.ones((len(pieces), len(needed.rows)), bool)
    for piece, is_missing in zip(pieces, missing, strict=True):
        for found, vectors in piece.cache.find_by_pack(needed.sha256s, piece.width):
            put(piece.view, piece.columns, found, vectors)
            is_missing[found] = False
    computed = compute_missing(dataset, needed, missing, pieces, network, config, pace, put, work)
    for piece, is_missing in zip(pieces, missing, strict=True):
        if work or is_missing.any():  # each part leaves packs as well
            piece.cache.tidy(piece.width)
    read, written = (sum(getattr(piece.cache, name) for piece in pieces) for name in ("bytes_read", "bytes_written"))
    return Counts(computed, read, written)


def compute_missing(
    dataset: Dataset,
    needed: Needed,
    missing: Array,
    pieces: Sequence[Piece],
    network: Network,
    config: TrainConfig,
    pace: Pace,
    put: Put,
    work: Work | None = None,
    written: Callable[[int], None] = lambda images: None,
) -> Array:
    """Runs images through the extractor, and keeps their features.

    Args:
        dataset: Holds the images.
        needed: The images.
        missing: bool [P, n], whether an image lacks a piece.
        pieces: What features are made of.
        network: What stands before the head.
        config: Says how views are augmented.
        pace: What passes through the extractor is added to it.
        put: As `compute_features` takes it.
        work: What is computed of the split in all; None for what is missing here.
        written: Is told how many images' features the store has all of, once they are written.

    Returns:
        int64 [k], the rows of the images that passed.
    """
    numbers = np.flatnonzero(missing.any(axis=0))
    if not len(numbers):
        return needed.rows[numbers]
    numbers = numbers[np.argsort(needed.rows[numbers])]  # in the order of the index they pass
    computed = [(piece, is_missing) for piece, is_missing in zip(pieces, missing, strict=True) if is_missing.any()]
    chosen = sorted({piece.view for piece, _ in computed}.union(work.views if work else ()))
    outputs = _extract(
        dataset, needed, numbers, chosen, network, config, pace, max(len(numbers), work.images if work else 0)
    )
    done, told, safe = 0, 0, [0] * len(computed)
    for features in outputs:
        batch = numbers[done : done + len(features)]
        done += len(batch)
        for place, (piece, is_missing) in enumerate(computed):
            lacking = is_missing[batch]
            vectors = half(features[lacking, chosen.index(piece.view), piece.columns])
            put(piece.view, piece.columns, batch[lacking], vectors)
            piece.cache.keep([needed.sha256s[number] for number in batch[lacking]], vectors)
            if not piece.cache.unwritten:
                safe[place] = done
        if (now := min(safe)) > told:
            written(now - told)
            told = now
    for piece, _ in computed:
        piece.cache.flush()
    written(done - told)
    return needed.rows[numbers]


def _extract(
    dataset: Dataset,
    needed: Needed,
    numbers: Array,
    chosen: Sequence[int],
    network: Network,
    config: TrainConfig,
    pace: Pace,
    images: int,
) -> Any:
    """Yields the features of some images a batch at a time, float32 [k, V, F], in the order of the index.

    Args:
        dataset: Holds the images.
        needed: The images, and the names of their views.
        numbers: int64 [n], the numbers of those to run in `needed`.
        chosen: The numbers of the views, V of them.
        network: What stands before the head.
        config: Says how views are augmented.
        pace: What passes through the extractor is added to it.
        images: How many are computed in all, here and elsewhere.
    """
    tf = import_tensorflow()
    wanted = np.zeros(dataset.count(needed.split), bool)
    wanted[needed.rows[numbers]] = True
    sha256s = [needed.sha256s[number] for number in numbers]
    seeds = np.stack([_seeds(needed.views[view], sha256s) for view in chosen], axis=1)
    augment = build_augmentation(config)
    # What computes in half precision rounds its input first of all: half the bytes go over the bus, and nothing else changes.
    dtype = tf.float16 if network.precision == "mixed_float16" else tf.float32
    shape, width = network.backbone.input.shape[1:], network.extractor.output.shape[1]

    def look(image: Any, number: Any) -> Any:
        seen = [
            _view(image[None], needed.views[view], augment, tf.constant(seeds)[number, place])
            for place, view in enumerate(chosen)
        ]
        return tf.cast(tf.concat(seen, axis=0), dtype)

    def extract(images: Any, training: bool) -> Any:
        features = network.extractor(tf.reshape(images, (-1, *shape)), training=training)
        return tf.reshape(features, (-1, len(chosen), width))

    passes = pass_over(
        "computing features",
        dataset,
        needed.split,
        network.preprocessing,
        extract,
        wanted,
        len(chosen),
        look,
        full=True,
        compiles=pays_to_compile(images * len(chosen) * shape[0] * shape[1]),
        pace=pace,
    )
    return (features for features, _ in passes)


def _view(plain: Any, view: str, augment: Any, seed: Any) -> Any:
    """Returns a view of one image, float32 [1, H, W, 3]."""
    if view == PLAIN:
        return plain
    return plain[:, :, ::-1] if view == MIRRORED else augment(plain, seed)


def _seeds(view: str, sha256s: list[str]) -> Array:
    """Returns a seed an image and view, int64 [N, 2], that depends on nothing else: new images leave old ones as they are."""
    digests = [hashlib.sha256(f"{view} {sha256}".encode()).digest() for sha256 in sha256s]
    return np.array([np.frombuffer(digest[:16], np.int64) for digest in digests])
