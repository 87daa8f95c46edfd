"""Which images train and which select the weights, and in which views features of them are needed."""

import dataclasses
import hashlib
from collections.abc import Iterator, Sequence
from importlib.metadata import version
from typing import Any, Self

import numpy as np

from graft.components.common.artifacts.dataset import TRAIN, VALIDATION, Dataset
from graft.components.common.artifacts.outcomes.results import listed
from graft.components.common.compute.kept_features import PLAIN
from graft.components.common.compute.likeness.pictures import pictures_of
from graft.components.common.errors import GraftError
from graft.components.train.config import TrainConfig
from graft.components.train.network.augmentation import VERSION as AUGMENTATION

Array = np.ndarray[Any, Any]

MIRRORED = "mirrored"


@dataclasses.dataclass(frozen=True)
class Needed:
    """Images of a split whose features are needed.

    Attributes:
        split: `train` or `validation`.
        sha256s: Their content digests.
        rows: int64 [n], their rows in the split's index.
        views: Names of the views that are needed of each.
    """

    split: str
    sha256s: list[str]
    rows: Array
    views: list[str]

    def among(self, rows: Array) -> Self:
        """Returns those of the images that have one of some rows in the index."""
        numbers = np.flatnonzero(np.isin(self.rows, rows))
        sha256s = [self.sha256s[number] for number in numbers.tolist()]
        return dataclasses.replace(self, sha256s=sha256s, rows=self.rows[numbers])


@dataclasses.dataclass(frozen=True)
class Choice:
    """Which images train and which select. Images are in the order of their content, however they lie in the shards.

    Attributes:
        rows: int64 [n], the rows of the images that train in the index of the training split.
        labels: int64 [n], their labels.
        selection_split: Split of the selection images.
        selection_rows: int64 [m], the rows of the images that select the weights in the index of that split.
        selection_labels: int64 [m], their labels.
        needed: Of which images features are needed, by split: of those that train, if the head takes features, and then of those that
            select.
        remarks: What a person should know of the choice, a sentence each.
    """

    rows: Array
    labels: Array
    selection_split: str
    selection_rows: Array
    selection_labels: Array
    needed: tuple[Needed, ...]
    remarks: tuple[str, ...]

    @property
    def count(self) -> int:
        """Of how many images features are needed."""
        return sum(len(one.rows) for one in self.needed)


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


def choose_images(dataset: Dataset, config: TrainConfig) -> Choice:
    """Chooses the images that train and those that select the weights.

    Args:
        dataset: Holds the images; its validation split selects if the settings say so.
        config: Says which images select, which views are wanted, and the size of a batch.

    Raises:
        GraftError: There are too few images, or fewer than a batch takes.
    """
    sha256s, labels, rows = _by_content(dataset, TRAIN)
    aside = np.zeros(len(labels), bool)
    remarks: list[str] = []
    if config.selection_split == TRAIN:
        pictures = pictures_of(dataset, [TRAIN])[rows]
        aside = selection_mask(sha256s, labels, config.selection_fraction, pictures)
        remarks += _remarks(labels, aside, pictures, dataset.classes, config.selection_fraction)
        if not aside.any():
            raise GraftError(
                "No image can be set aside to choose the best weights: each class needs two training images."
            )
    elif VALIDATION not in dataset.counts:
        raise GraftError("selection_split is validation, and the dataset has no such split: take train.")
    images = int((~aside).sum())
    if config.batch_size > images:
        raise GraftError(
            f"batch_size {config.batch_size} is more than the {images} images to train on: lower it, or add images."
        )
    # A head that sees every image anew needs no features of them, unless to standardise.
    is_live = config.augmentation == "live" and config.head == "flatten-dense"
    selecting = np.flatnonzero(aside)
    numbers = np.concatenate([np.flatnonzero(~aside)[: 0 if is_live else None], selecting])
    needed = [Needed(TRAIN, [sha256s[number] for number in numbers.tolist()], rows[numbers], views_of(config))]
    selection_rows, selection_labels = rows[selecting], labels[selecting]
    if config.selection_split == VALIDATION:
        others, selection_labels, selection_rows = _by_content(dataset, VALIDATION)
        needed.append(Needed(VALIDATION, others, selection_rows, prediction_views(config)))
    split = config.selection_split
    return Choice(rows[~aside], labels[~aside], split, selection_rows, selection_labels, tuple(needed), tuple(remarks))


def _by_content(dataset: Dataset, split: str) -> tuple[list[str], Array, Array]:
    """Returns a split's images in the order of their content: their digests, labels and rows in the index, both int64 [N].

    Of those with the same bytes the label decides. Then nothing is left that could tell two apart, and how images lie in shards, and what
    they are called, has no part in the training.
    """
    index = dataset.index(split, ["sha256", "label"])
    numbers = {name: number for number, name in enumerate(dataset.classes)}
    labels = np.array([numbers[name] for name in index["label"]], np.int64)
    rows = np.lexsort((labels, np.array(index["sha256"], "S")))
    return [index["sha256"][row] for row in rows], labels[rows], rows


def selection_mask(sha256s: list[str], labels: Array, fraction: float, pictures: Array) -> Array:
    """Chooses the training images that select the best weights, by content, the asked share of each class.

    Copies and twins of a picture select together or train together: a head would know the twins of what it was trained on. Where a class
    has no picture that is at most half of it, and no other class's as well, images are chosen one by one.

    Args:
        sha256s: The images' content digests.
        labels: int64 [N] labels.
        fraction: The share, of which at least one image a class is taken where the class has two.
        pictures: int64 [N], the pictures that they show, as `pictures_of` numbers them.

    Returns:
        bool [N], true for images that are set aside.
    """
    ranks = np.array([hashlib.sha256(f"selection {sha256}".encode()).hexdigest().encode() for sha256 in sha256s])
    mask = np.zeros(len(labels), bool)
    is_shared = _of_several_classes(pictures, labels)
    for label in np.unique(labels):
        members = np.flatnonzero(labels == label)
        members = members[np.argsort(ranks[members])]
        count = min(max(1, round(fraction * len(members))), len(members) - 1)
        mask[members[_first_whole(pictures[members], ~is_shared[members], count)]] = True
    return mask


def _first_whole(pictures: Array, may: Array, count: int) -> Array:
    """Chooses the first images of a class that make up whole pictures, or the first ones where that can't be.

    Args:
        pictures: int64 [n], the pictures that the class's images show, in the order in which they are chosen.
        may: bool [n], whether a picture may be chosen.
        count: How many images to choose at most, or those of the smallest picture if that has more.

    Returns:
        bool [n], true for the chosen ones.
    """
    _, first, number = np.unique(pictures, return_index=True, return_inverse=True)
    sizes, turns = np.bincount(number), np.argsort(first)
    turns = turns[may[first[turns]] & (sizes[turns] <= len(pictures) // 2)]
    if not len(turns):
        return np.arange(len(pictures)) < count
    left, chosen = max(count, int(sizes[turns].min())), []
    for picture, size in zip(turns.tolist(), sizes[turns].tolist(), strict=True):
        if size <= left:
            chosen.append(picture)
            left -= size
    return np.isin(number, chosen)


def _of_several_classes(pictures: Array, labels: Array) -> Array:
    """Returns bool [N], whether an image shows a picture that another class has as well."""
    pairs = np.unique(np.stack([pictures, labels]), axis=1)
    return np.bincount(pairs[0])[pictures] > 1


def _remarks(labels: Array, aside: Array, pictures: Array, classes: Sequence[str], fraction: float) -> Iterator[str]:
    """Yields what a person should know of the images that are set aside, of each class, a sentence each."""
    images, select = (np.bincount(some, minlength=len(classes)) for some in (labels, labels[aside]))
    divided = np.unique(labels[aside][np.isin(pictures[aside], pictures[~aside])])
    if len(divided):
        names = listed([classes[label] for label in divided.tolist()])
        yield (
            f"There are so few different pictures of {names} that twins of the images which select the weights train: the accuracy on "
            "them is too good. Add pictures, or let selection_split be validation."
        )
    large = np.flatnonzero(select > np.maximum(1, 2 * fraction * images))
    if len(large):
        told = [f"{select[label]:,} of {images[label]:,} of {classes[label]}" for label in large.tolist()]
        yield f"Twins stay together, so that more training images select the weights than {fraction:.0%}: {listed(told)}."
