"""Predictions that outlive a run: a model's for an image that it has seen before are in the store, and not computed again."""

import logging
from collections.abc import Callable, Sequence
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
        parts: Where the parts of this run leave what they compute; empty for a run without.

    Attributes:
        computed: How many images went through a model, here or in the step's parts.
        found: For how many the predictions were in the store.
        bytes_read: How many bytes of predictions were read from the store.
        bytes_written: How many were written there.
    """

    def __init__(self, store: str, dataset: Dataset, split: str, sha256s: Sequence[str], parts: str = "") -> None:
        self._parts = parts
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
        record, width = Model.load(model.folder), len(model.classes)
        cache, by_parts = (self._cache(record, folder) for folder in (self._store, self._parts))
        probabilities, found = cache.find(self._sha256s, width)
        if found.any():
            log.info("%s: the predictions for %s of %s images were kept", what, f"{found.sum():,}", f"{len(found):,}")
        missing = ~found
        rows = np.flatnonzero(missing)
        for places, values in by_parts.find_by_pack([self._sha256s[row] for row in rows.tolist()], width):
            probabilities[rows[places]], missing[rows[places]] = values, False
            cache.keep([self._sha256s[row] for row in rows[places].tolist()], values)

        def put(now: Array, batch: Array) -> None:
            probabilities[now] = batch
            cache.keep([self._sha256s[row] for row in now.tolist()], batch)

        self._compute(model, what, missing, put)
        self._end(cache, width)
        self.bytes_read += by_parts.bytes_read
        self.computed += len(rows)
        self.found += int(found.sum())
        return probabilities

    def leave(self, model: SavedModel, what: str, wanted: Array) -> None:
        """Computes what is not kept of some images, and leaves it for the step.

        Args:
            model: The model.
            what: What this is for, for the progress.
            wanted: bool [N], true for the images.

        Raises:
            GraftError: As `of` does.
        """
        record, rows = Model.load(model.folder), np.flatnonzero(wanted)
        sha256s = [self._sha256s[row] for row in rows.tolist()]
        missing, left = wanted.copy(), self._cache(record, self._parts)
        missing[rows] = self._cache(record, self._store).lacking(sha256s) & left.lacking(sha256s)
        self._compute(
            model, what, missing, lambda now, batch: left.keep([self._sha256s[row] for row in now.tolist()], batch)
        )
        left.flush()

    def _compute(self, model: SavedModel, what: str, wanted: Array, put: Callable[[Array, Array], None]) -> None:
        """Runs a model on some images, if any: `put` takes int64 [k] rows and float32 [k, classes]."""
        rows, done = np.flatnonzero(wanted), 0
        if not len(rows):
            return
        network = load_model(model.folder)
        for batch, _, _ in predict_batches(network, self._dataset, self._split, what, wanted):
            check_finite(batch, model.uri)
            put(rows[done : done + len(batch)], batch)
            done += len(batch)

    def add(self, model: Model, probabilities: Array) -> None:
        """Keeps what a model predicted that ran on all images: the next run's baseline it may be.

        Args:
            model: The model's record.
            probabilities: float32 [N, classes], as `predict` gives them.

        Raises:
            GraftError: The store can't be read or written.
        """
        cache, width = self._cache(model, self._store), probabilities.shape[1]
        _, found = cache.find(self._sha256s, width)
        new = [sha256 for sha256, known in zip(self._sha256s, found, strict=True) if not known]
        cache.keep(new, probabilities[~found])
        self._end(cache, width)

    def _cache(self, model: Model, folder: str) -> PredictionCache:
        return PredictionCache(folder, kind_of_predictions(model, len(self._sha256s)))

    def _end(self, cache: PredictionCache, width: int) -> None:
        cache.flush()
        cache.tidy(width)
        self.bytes_read += cache.bytes_read
        self.bytes_written += cache.bytes_written
