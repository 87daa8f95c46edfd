"""What the new model says of the evaluated images: computed here, or by the parts of this run before."""

import dataclasses
import logging
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from graft.components.common import storage
from graft.components.common.artifacts.dataset import Dataset
from graft.components.common.artifacts.model import Model
from graft.components.common.compute.kept_features import half
from graft.components.common.compute.keras_models import HEAD, NETWORK
from graft.components.common.compute.packs import PackCache
from graft.components.common.compute.predictions import FEATURES, predict_batches
from graft.components.common.compute.scratch_array import scratch_array
from graft.components.evaluate.predictions.kept_predictions import PredictionCache, kind_of_predictions

log = logging.getLogger("graft")

Array = np.ndarray[Any, Any]


class _Finite(PackCache):
    def _check(self, values: Array) -> None:
        if not np.isfinite(values).all():
            raise ValueError("it holds what is no number")


class MappedCache(_Finite):
    """What the model's last layer sees, mapped to a few numbers, float32 [N, FEATURES]."""

    NAME, DTYPE = "mapped", np.float32


class SeenCache(_Finite):
    """What the model's head sees, float16 [N, F]."""

    NAME, DTYPE = "seen", np.float16


@dataclasses.dataclass(frozen=True)
class Answers:
    """What the new model says of the evaluated images, in the order of the index.

    Attributes:
        probabilities: float32 [N, classes].
        mapped: float32 [N, FEATURES], what its last layer sees, mapped to a few numbers.
        seen: float16 [N, F], maybe on the disk, what its head sees; [N, 0] where nobody asks.
        images_per_second: How fast images passed through the model here; 0 if none did.
        bytes_read: How many bytes of the parts' answers were read.
    """

    probabilities: Array
    mapped: Array
    seen: Array
    images_per_second: float
    bytes_read: int


class PartAnswers:
    """The answers that the parts of a run leave in its folder, in packs.

    Args:
        folder: The folder; empty for none: then nothing is found, and nothing kept.
        model: The new model's record.
        images: How many images the evaluated split has.
        seen: Whether what the head sees is wanted.
    """

    def __init__(self, folder: str, model: Model, images: int, *, seen: bool) -> None:
        kind = kind_of_predictions(model, images)
        self._caches: list[PackCache] = [PredictionCache(folder, kind), MappedCache(folder, kind)]
        if seen:
            self._caches.append(SeenCache(folder, kind))

    @property
    def bytes_read(self) -> int:
        """How many bytes of packs were read."""
        return sum(cache.bytes_read for cache in self._caches)

    def lacking(self, sha256s: Sequence[str]) -> Array:
        """Tells of which images some answer is missing, bool [N], as `PackCache.lacking` does."""
        return np.asarray(np.any([cache.lacking(sha256s) for cache in self._caches], axis=0))

    def find(self, sha256s: Sequence[str], arrays: Sequence[Array]) -> Array:
        """Fills in what there is, and returns of which images some of it is missing, bool [N].

        Args:
            sha256s: The images' content digests.
            arrays: [N, …] each, for probabilities, what the last layer sees, and what the head sees.

        Raises:
            GraftError: The store can't be read.
        """
        missing = np.ones((len(self._caches), len(sha256s)), bool)
        for cache, array, is_missing in zip(self._caches, arrays, missing, strict=False):
            for places, values in cache.find_by_pack(sha256s, array.shape[1]):
                array[places], is_missing[places] = values, False
        return np.asarray(missing.any(axis=0))

    def keep(self, sha256s: Sequence[str], values: Sequence[Array]) -> bool:
        """Keeps answers, as `PackCache.keep` does, and returns whether all that were kept are written now."""
        for cache, some in zip(self._caches, values, strict=False):
            cache.keep(list(sha256s), some)
        if is_written := not all(cache.unwritten for cache in self._caches):
            self.flush()
        return is_written

    def flush(self) -> None:
        """Writes what is not written yet."""
        for cache in self._caches:
            cache.flush()

    @staticmethod
    def remove(folder: str) -> None:
        """Removes what the parts of a run left, the baselines' answers too: it has served."""
        for cache in (PredictionCache, MappedCache, SeenCache):
            storage.delete_folder(f"{folder}/{cache.NAME}")


def ask(
    model: Any,
    data: Dataset,
    split: str,
    wanted: Array,
    seen: bool,
    put: Callable[[Array, tuple[Array, Array, Array]], None],
) -> None:
    """Runs the new model on some images.

    Args:
        model: The loaded Keras model.
        data: Holds the images.
        split: The evaluated split.
        wanted: bool [N], true for the images, of which there are some, in the order of the index.
        seen: Whether what the head sees is wanted.
        put: Takes int64 [k] rows, and of these the probabilities, what the last layer sees, and what the head sees.

    Raises:
        GraftError: As `predict_batches` does.
    """
    rows, done = np.flatnonzero(wanted), 0
    by_head: list[Array] = []
    batches = predict_batches(model, data, split, "evaluating images", wanted, by_head.append if seen else None)
    for probabilities, _, mapped in batches:
        now = rows[done : done + len(probabilities)]
        put(now, (probabilities, mapped, half(by_head.pop()) if seen else np.empty((len(now), 0), np.float16)))
        done += len(now)


def all_answers(
    model: Any, data: Dataset, split: str, sha256s: Sequence[str], parts: PartAnswers, *, seen: bool
) -> Answers:
    """Gathers what the new model says of all images of a split: what parts left, and of the other ones what it says here.

    Args:
        model: The loaded Keras model.
        data: Holds the images.
        split: The evaluated split.
        sha256s: Content digests of its images, in the order of the index.
        parts: What parts left.
        seen: Whether what the head sees is wanted.

    Raises:
        GraftError: As `predict_batches` does, or the store can't be read.
    """
    count, width = len(sha256s), model.get_layer(NETWORK).get_layer(HEAD).input.shape[1]
    arrays = (
        np.empty((count, len(data.classes)), np.float32),
        np.empty((count, FEATURES), np.float32),
        scratch_array((count, width if seen else 0)),
    )
    missing, start = parts.find(sha256s, arrays), time.monotonic()

    def put(rows: Array, values: tuple[Array, Array, Array]) -> None:
        for array, some in zip(arrays, values, strict=True):
            array[rows] = some

    if left := int(missing.sum()):
        if left < count:
            log.info("evaluating images: parts did %s of %s", f"{count - left:,}", f"{count:,}")
        ask(model, data, split, missing, seen, put)
    pace = round(left / (time.monotonic() - start), 1) if left else 0.0
    return Answers(*arrays, pace, parts.bytes_read)
