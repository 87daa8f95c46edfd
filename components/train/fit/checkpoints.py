"""Checkpoints: how far a training had come, kept in the store for the next attempt, whichever that is."""

import dataclasses
import hashlib
import io
import json
import logging
from collections.abc import Mapping, Sequence
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

    Like a pack of features, a checkpoint's file is named by the digest of its bytes, so that a damaged one is known as such.

    Args:
        store: The store's path or URI; empty for none: then nothing is kept and nothing found.
        key: All that the training depends on: dataset, settings, weights.
    """

    def __init__(self, store: str, key: Mapping[str, Any]) -> None:
        digest = hashlib.sha256(json.dumps(key, sort_keys=True).encode()).hexdigest()[:32]
        self._uri = f"{store.rstrip('/')}/checkpoints/{digest}" if store else ""

    def load(self, phase: str) -> Checkpoint | None:
        """Returns the latest checkpoint of a phase that is whole, or None.

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
            return _read(content)
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
        np.savez(buffer, progress=np.array(json.dumps(checkpoint.progress)), **arrays)
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


def _read(content: bytes) -> Checkpoint:
    with np.load(io.BytesIO(content), allow_pickle=False) as file:
        names = sorted(set(file.files) - {"progress"})
        return Checkpoint(json.loads(str(file["progress"])), [file[name] for name in names])
