"""Checkpoints: how far a training had come, kept in the store for the next attempt, whichever that is."""

import dataclasses
import hashlib
import io
import json
import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from graft.components.common import storage

log = logging.getLogger("graft")

_SUFFIX = ".npz"

Array = np.ndarray[Any, Any]


@dataclasses.dataclass(frozen=True)
class Checkpoint:
    """A moment of a training: text and numbers, such as the epochs done, and the variables in the model's order."""

    progress: dict[str, Any]
    arrays: list[Array]


class Checkpoints:
    """The checkpoints of one training.

    Like a pack of features, a checkpoint's file is named by the digest of its bytes, so that a damaged one is known as such, and tells
    which training it is of.

    Args:
        store: The store's path or URI; empty for none: then nothing is kept and nothing found.
        key: All that the training depends on: dataset, settings, weights.
    """

    def __init__(self, store: str, key: Mapping[str, Any]) -> None:
        self._key = hashlib.sha256(json.dumps(key, sort_keys=True).encode()).hexdigest()[:32]
        self._uri = f"{store.rstrip('/')}/checkpoints/{self._key}" if store else ""

    def load(self, phase: str, fits: Callable[[Checkpoint], bool] = lambda _: True) -> Checkpoint | None:
        """Returns the latest checkpoint of a phase that can be used, or None; the log names those that can't.

        Args:
            phase: The phase's name.
            fits: Tells whether it has what the training needs.

        Raises:
            GraftError: The store can't be read.
        """
        for name in sorted(self._list(phase), reverse=True):
            try:
                content = storage.read(f"{self._uri}/{name}")
            except storage.MissingError:  # another attempt has just put a later one in its place
                continue
            if hashlib.sha256(content).hexdigest() != name.removesuffix(_SUFFIX).rpartition("-")[2]:
                log.warning("A checkpoint is damaged and left out: %s", storage.redact(f"{self._uri}/{name}"))
                continue
            try:
                found = _read(content, self._key)
                if not fits(found):
                    raise ValueError("its arrays are not the model's")
            except Exception as error:  # numpy and zipfile raise a dozen kinds of bytes that are no archive of arrays
                log.warning("A checkpoint is left out (%r): %s", error, storage.redact(f"{self._uri}/{name}"))
                continue
            return found
        return None

    def save(self, phase: str, step: int, checkpoint: Checkpoint) -> None:
        """Writes a checkpoint, then removes the phase's earlier ones, and others of the same step.

        Later ones stay: they are of another attempt, which is ahead.

        Args:
            phase: The phase's name.
            step: How many training steps are done.
            checkpoint: What to keep.

        Raises:
            GraftError: The store can't be written.
        """
        if not self._uri:
            return
        buffer = io.BytesIO()
        arrays: dict[str, Any] = {f"{number:05d}": array for number, array in enumerate(checkpoint.arrays)}
        np.savez(buffer, key=np.array(self._key), progress=np.array(json.dumps(checkpoint.progress)), **arrays)
        content = buffer.getvalue()
        before = self._list(phase)
        up_to = f"{_stem(phase)}{step:09d}-"
        name = f"{up_to}{hashlib.sha256(content).hexdigest()}{_SUFFIX}"
        storage.write(f"{self._uri}/{name}", content)
        self._remove([old for old in before if old[: len(up_to)] <= up_to and old != name])

    def clear(self) -> None:
        """Removes all checkpoints of this training, which has come to its end.

        Raises:
            GraftError: The store can't be written.
        """
        self._remove(self._list())

    def _list(self, phase: str = "") -> list[str]:
        if not self._uri:
            return []
        stem = _stem(phase) if phase else ""
        names = [file.path for file in storage.list(self._uri)]
        return [name for name in names if name.startswith(stem) and name.endswith(_SUFFIX)]

    def _remove(self, names: Sequence[str]) -> None:
        for name in names:
            storage.delete(f"{self._uri}/{name}")


def _stem(phase: str) -> str:
    return f"{phase.replace(' ', '-')}-"


def _read(content: bytes, key: str) -> Checkpoint:
    """Reads a checkpoint.

    Raises:
        ValueError: It is another training's.
        Exception: It is no checkpoint.
    """
    with np.load(io.BytesIO(content), allow_pickle=False) as file:
        if str(file["key"]) != key:
            raise ValueError("it is another training's")
        names = sorted(set(file.files) - {"key", "progress"})
        return Checkpoint(json.loads(str(file["progress"])), [file[name] for name in names])
