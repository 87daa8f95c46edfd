"""What settings bring: the loss of images that a head was neither trained on nor selected by, all of them training images."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from graft.components.common.compute.likeness.pictures import deal_folds
from graft.components.common.errors import GraftError
from graft.components.train.config import TrainConfig
from graft.components.train.features.training_set import TrainingSet
from graft.components.train.fit.scoring import class_weights, targets_of
from graft.components.train.network.head import moments
from graft.components.train.tune.quick_head import Labelled, losses, train_quick_head

Array = np.ndarray[Any, Any]

FOLDS = 3
MOST_IMAGES = 5000
"""A search over more looks at so many of them, of each class its share: a trial is to take a second or two."""


class OutOfFold:
    """The training images in folds: each is judged by a head of the other folds, whose weights the selection images chose.

    Args:
        training_set: The images, with features of all layers; those that are set aside select, as in a training.
        pictures: int64 [n], the pictures that the images show which train, as `pictures_of` numbers them.
        columns: The columns of each layer's features.
        classes: How many classes there are.

    Attributes:
        images: How many images are in the folds.

    Raises:
        GraftError: No class has two images, or features are infinite or no numbers.
    """

    def __init__(self, training_set: TrainingSet, pictures: Array, columns: dict[str, slice], classes: int) -> None:
        chosen, selecting = _sample(training_set.labels), _sample(training_set.selection_labels)
        self._vectors, self._labels = training_set.vectors[:, chosen], training_set.labels[chosen]
        self._selection_vectors = training_set.selection_vectors[:, selecting]
        self._selection_labels = training_set.selection_labels[selecting]
        self._folds = deal_folds(pictures[chosen], self._labels, FOLDS)
        self._columns, self._classes = columns, classes
        if not self._folds.any():
            raise GraftError(
                "graft tune needs a class of two training images or more that are no twins, to train on some and judge others."
            )
        self.images = len(chosen)
        if not all(np.isfinite(vectors).all() for vectors in (self._vectors, self._selection_vectors)):
            raise GraftError(
                "The backbone gives features that are no numbers, of which no head can be trained: name other weights."
            )

    def judge(self, config: TrainConfig) -> Iterator[tuple[Array, Array]]:
        """Judges one fold after the other.

        Args:
            config: The settings. There must be features of each of the cut's layers.

        Yields:
            float32 [n], the loss of each of the fold's images, and bool [n], whether its class was found.
        """
        columns = np.concatenate([np.r_[self._columns[layer]] for layer in config.cut.split("+")])
        vectors = self._vectors[..., columns]
        mean, variance = moments(vectors.reshape(-1, len(columns)))
        scale = np.sqrt(variance)
        weights = np.ones(self._classes, np.float32)
        if config.class_weights:
            weights[:] = list(class_weights(self._labels, self._classes).values())

        def labelled(raw: Array, labels: Array) -> Labelled:
            standard = ((raw - mean) / scale).astype(np.float32)
            return Labelled(standard, targets_of(labels, self._classes), weights[labels])

        images = labelled(vectors, self._labels)
        selection = labelled(self._selection_vectors[..., columns], self._selection_labels)
        for fold in range(FOLDS):
            judged = self._folds == fold
            head = train_quick_head(images.some(~judged), selection, config)
            left = images.some(judged)
            # The views whose average is the prediction come first.
            found = head.probabilities(left.vectors[: len(selection.vectors)])
            given = found[:, 0] > 0.5 if self._classes == 2 else found.argmax(axis=1)
            yield losses(found, left.targets), given == self._labels[judged]


def _rank(labels: Array) -> Array:
    """Returns int64 [n], the number of each image among those of its class."""
    rank = np.empty(len(labels), np.int64)
    for label in np.unique(labels):
        members = np.flatnonzero(labels == label)
        rank[members] = np.arange(len(members))
    return rank


def _sample(labels: Array) -> Array:
    """Returns the rows of at most `MOST_IMAGES`, of each class its share, in their order."""
    share = (_rank(labels) + 0.5) / np.bincount(labels)[labels]
    return np.sort(np.argsort(share, kind="stable")[:MOST_IMAGES])
