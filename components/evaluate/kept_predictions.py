"""Predictions that outlive a run: a model's for an image that it has seen before are in the store, and not computed again."""

import logging
from collections.abc import Sequence
from importlib.metadata import version
from typing import Any

import numpy as np

from graft.components.common.artifacts.dataset import Dataset
from graft.components.common.artifacts.model import Model
from graft.components.common.artifacts.model_source import SavedModel
from graft.components.common.compute.decoding import VERSION as DECODING
from graft.components.common.compute.keras_models import load_model
from graft.components.common.compute.packs import PackCache
from graft.components.common.compute.predictions import check_finite, predict_batches
from graft.components.common.compute.running import arithmetic
from graft.components.common.compute.tensorflow import import_tensorflow
from graft.components.common.errors import GraftError

log = logging.getLogger("graft")

Array = np.ndarray[Any, Any]

_TOLERANCE = 1e-3  # of a sum of float32 over many classes


class PredictionCache(PackCache):
    """The probabilities that a model gives, float32 [N, classes] in its own order of the classes."""

    NAME, DTYPE = "predictions", np.float32

    def _check(self, values: Array) -> None:
        """Refuses what no model gives: it would decide a gate."""
        if not ((values >= 0) & (values <= 1)).all() or (np.abs(values.sum(axis=1) - 1) > _TOLERANCE).any():
            raise ValueError("it holds numbers that are no probabilities")


def kind_of_predictions(model: Model, images: int) -> dict[str, Any]:
    """Returns all that a model's predictions depend on but the image itself, to the last bit.

    Args:
        model: The model's record.
        images: How many images the split has that is evaluated.

    Raises:
        GraftError: The record tells no size of images.
    """
    side = model.config.get("image_size")
    if not isinstance(side, int) or side < 1:
        raise GraftError(f"The {Model.FILE} of a model tells no image_size: name a model that graft train made.")
    return {
        "model": model.model_digest,
        "preprocessing": DECODING,
        **arithmetic(images, side**2),
        "tensorflow": import_tensorflow().__version__,
        "keras": version("keras"),
    }


class KeptPredictions:
    """What models predict for the images of a split: from the store where they are kept there, and else from the images.

    Args:
        store: Path or URI of the store; empty for none: then all is computed, and nothing kept.
        dataset: Holds the images.
        split: The evaluated split.
        sha256s: Content digests of its images, in the order of the index.

    Attributes:
        computed: How many images went through a model here.
        found: For how many the predictions were in the store.
        bytes_read: How many bytes of predictions were read from the store.
        bytes_written: How many were written there.
    """

    def __init__(self, store: str, dataset: Dataset, split: str, sha256s: Sequence[str]) -> None:
        self._store, self._dataset, self._split, self._sha256s = store, dataset, split, sha256s
        self.computed = self.found = self.bytes_read = self.bytes_written = 0

    def of(self, model: SavedModel, what: str) -> Array:
        """Returns a model's probabilities for all images, float32 [N, classes] in its own order of the classes.

        Args:
            model: The model.
            what: What this is for, for the progress.

        Raises:
            GraftError: The model can't be loaded, its answers are no numbers, or the store can't be read or written.
        """
        cache, width = self._cache(Model.load(model.folder)), len(model.classes)
        probabilities, found = cache.find(self._sha256s, width)
        rows, done = np.flatnonzero(~found), 0
        if found.any():
            log.info("%s: the predictions for %s of %s images were kept", what, f"{found.sum():,}", f"{len(found):,}")
        if len(rows):
            network = load_model(model.folder)
            for batch, _, _ in predict_batches(network, self._dataset, self._split, what, ~found):
                check_finite(batch, model.uri)
                now = rows[done : done + len(batch)]
                probabilities[now] = batch
                cache.keep([self._sha256s[row] for row in now], batch)
                done += len(batch)
        self._end(cache, width)
        self.computed += len(rows)
        self.found += int(found.sum())
        return probabilities

    def add(self, model: Model, probabilities: Array) -> None:
        """Keeps what a model predicted that ran on all images: the next run's baseline it may be.

        Args:
            model: The model's record.
            probabilities: float32 [N, classes], as `predict` gives them.

        Raises:
            GraftError: The store can't be read or written.
        """
        cache, width = self._cache(model), probabilities.shape[1]
        _, found = cache.find(self._sha256s, width)
        new = [sha256 for sha256, known in zip(self._sha256s, found, strict=True) if not known]
        cache.keep(new, probabilities[~found])
        self._end(cache, width)

    def _cache(self, model: Model) -> PredictionCache:
        return PredictionCache(self._store, kind_of_predictions(model, len(self._sha256s)))

    def _end(self, cache: PredictionCache, width: int) -> None:
        cache.flush()
        cache.tidy(width)
        self.bytes_read += cache.bytes_read
        self.bytes_written += cache.bytes_written
