"""How unlike all training images others are, and how well that tells planted images that have nothing to do with them.

Source: Sun et al., "Out-of-Distribution Detection with Deep Nearest Neighbors", ICML 2022: the score is the distance to the k-th nearest
training image, all features being brought to length 1.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np

from graft.components.common.artifacts.dataset import TRAIN, Dataset
from graft.components.common.artifacts.evaluation import Foreign, Planted
from graft.components.common.artifacts.shards.encoded import read_encoded
from graft.components.common.compute.decoding import decode
from graft.components.common.compute.kept_features import half
from graft.components.common.compute.keras_models import EXTRACTOR, NETWORK, PREPROCESSING
from graft.components.common.compute.tensorflow import import_tensorflow
from graft.components.common.progress import doing
from graft.components.evaluate.labels.known_features import Known

NEIGHBOUR = 10
"""The score is the distance to this neighbour, from 1."""
PLANTED = 16
"""How many images of each kind are planted."""

_MOST = 10_000  # images of the training, and evaluated ones: more of them take time, and tell little more
_OWN = 1_000  # training images whose own scores tell what is usual
_USUAL = 0.99
_AT_ONCE = 1_024
_TILES = 4

Array = np.ndarray[Any, Any]


def find_foreign(known: Known, data: Dataset, model: Any) -> Foreign:
    """Scores evaluated images and planted ones, which pass through the model's extractor here.

    Args:
        known: The images with their features; the first split is the evaluated one.
        data: Holds the images, of which some are planted in disguise.
        model: The loaded Keras model.

    Raises:
        GraftError: The dataset is damaged.
    """
    if known.splits[0] == TRAIN:
        return Foreign(reason="the evaluated images are the training images")
    training = np.flatnonzero(known.found & (np.array(known.splits)[known.split] == TRAIN))
    # Of each picture one image: among twins every image has neighbours, and no other would be usual.
    training = training[np.sort(np.unique(known.pictures[training], return_index=True)[1])]
    if len(training) <= NEIGHBOUR:
        return Foreign(reason=f"features of fewer than {NEIGHBOUR + 1} training images are kept")
    doing("planting foreign images")
    here = np.flatnonzero(known.split == 0)
    bank = _directions(known.features[_some(training, _MOST)])
    own = distances(_some(bank, _OWN), bank, NEIGHBOUR + 1)  # each is its own nearest
    usual = np.quantile(own, _USUAL)
    scores = distances(_directions(known.features[_some(here, _MOST)]), bank, NEIGHBOUR)
    kinds, vectors = _planted(model, data, known.splits[0], np.sort(known.rows[_some(here, PLANTED)]).tolist())
    planted = distances(_directions(vectors), bank, NEIGHBOUR)
    by_kind = {kind: planted[kinds == kind] for kind in dict.fromkeys(kinds.tolist())}
    return Foreign(
        images=len(scores),
        beyond=int((scores > usual).sum()),
        planted=tuple(
            Planted(
                kind=kind, images=len(found), beyond=int((found > usual).sum()), auc=area_under_curve(found, scores)
            )
            for kind, found in by_kind.items()
        ),
    )


def distances(directions: Array, bank: Array, neighbour: int) -> Array:
    """Returns the distances to one of the nearest neighbours in a bank, a block at a time.

    Args:
        directions: float32 [n, F], of length 1.
        bank: float32 [N, F], of length 1.
        neighbour: Which, 1 being the nearest; at most N.

    Returns:
        float32 [n].
    """
    found = np.empty(len(directions), np.float32)
    place = len(bank) - neighbour
    for start in range(0, len(directions), _AT_ONCE):
        likeness = directions[start : start + _AT_ONCE] @ bank.T
        found[start : start + _AT_ONCE] = np.partition(likeness, place, axis=1)[:, place]
    return np.asarray(np.sqrt((2 - 2 * found).clip(min=0)))


def area_under_curve(planted: Array, scores: Array) -> float:
    """Returns the area under the ROC curve by which scores tell planted images from others: 0.5 is chance."""
    from sklearn.metrics import roc_auc_score

    return float(roc_auc_score(np.arange(len(planted) + len(scores)) < len(planted), np.append(planted, scores)))


def plant(pictures: Iterable[Array], side: int) -> Iterator[tuple[str, Array]]:
    """Makes of each picture one image of every kind, always the same.

    Args:
        pictures: uint8 [H, W, 3] each.
        side: Pixels of the images that are made of nothing.

    Yields:
        The kind, and the image, uint8 [H, W, 3].
    """
    random = np.random.default_rng(0)
    for picture in pictures:
        yield "noise", random.integers(0, 256, (side, side, 3), np.uint8)
        yield "gradient of two colours", _gradient(random, side)
        yield "evaluated image with its parts shuffled", _shuffled(random, picture)
        yield "evaluated image upside down in inverted colours", 255 - picture[::-1]


def _gradient(random: np.random.Generator, side: int) -> Array:
    first, second = random.integers(0, 256, (2, 3))
    angle, steps = random.uniform(0, 2 * np.pi), np.linspace(-1, 1, side)
    share = 0.5 + (np.cos(angle) * steps[:, None] + np.sin(angle) * steps) / np.sqrt(8)
    return np.asarray((first + share[..., None] * (second - first)).round().astype(np.uint8))


def _shuffled(random: np.random.Generator, picture: Array) -> Array:
    """Returns a picture that is cut into tiles, 4 by 4, which lie in another order; a rest at the edges is left out."""
    tiles = min(_TILES, *picture.shape[:2])
    height, width = picture.shape[0] // tiles, picture.shape[1] // tiles
    parts = picture[: tiles * height, : tiles * width].reshape(tiles, height, tiles, width, 3).swapaxes(1, 2)
    mixed = random.permutation(parts.reshape(tiles**2, height, width, 3))
    return mixed.reshape(tiles, tiles, height, width, 3).swapaxes(1, 2).reshape(tiles * height, tiles * width, 3)


def _planted(model: Any, data: Dataset, split: str, rows: Sequence[int]) -> tuple[Array, Array]:
    """Plants images, made of some of a split, and passes them through a model's extractor at once: each call of it costs as much anew.

    Returns:
        str [n], the kinds of the planted images, and float16 [n, F], their features.

    Raises:
        GraftError: The dataset is damaged.
    """
    preprocessing, extractor = model.get_layer(PREPROCESSING), model.get_layer(NETWORK).get_layer(EXTRACTOR)
    with import_tensorflow().device("CPU:0"):  # so few images are not worth a GPU's search for algorithms
        pictures = (decode(encoded).numpy() for encoded in read_encoded(data, split, rows))
        kinds, images = zip(*plant(pictures, int(preprocessing.outputs[0].shape[1])), strict=True)
        squares = np.concatenate([np.asarray(preprocessing(image[None], training=False)) for image in images])
        return np.array(kinds), half(np.asarray(extractor(squares, training=False)).astype(np.float32))


def _some(rows: Array, most: int) -> Array:
    """Returns at most so many rows, evenly spread."""
    return rows if len(rows) <= most else rows[np.linspace(0, len(rows) - 1, most).astype(np.int64)]


def _directions(features: Array) -> Array:
    """Returns features as float32 of length 1."""
    wide = features.astype(np.float32)
    return np.asarray(wide / np.linalg.norm(wide, axis=1, keepdims=True).clip(min=1e-12))
