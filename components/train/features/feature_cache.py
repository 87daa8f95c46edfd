"""Features that outlive a run: kept in the store under the content that they were computed from.

A pack holds the features of many images and is named by the digest of its own bytes; it tells what they were computed from. So two
trainings at once can't get in each other's way, a damaged pack is known as such, and what a killed pass had written is there for the
next one.
"""

import hashlib
import io
import json
import logging
import time
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from typing import Any

import numpy as np
import pyarrow as pa

from graft.components.common import storage

log = logging.getLogger("graft")

PACK_BYTES = 128 * 2**20
PACK_SECONDS = 60.0
_FEW = 16
_HELD = 4
_SUFFIX, _KIND = ".arrow", "kind"
_UNREADABLE = (pa.ArrowException, ValueError, OSError)  # whatever Arrow raises of bytes that are no pack

Array = np.ndarray[Any, Any]


def half(features: Array) -> Array:
    """Returns float32 features as float16, as they are kept: those beyond its range become its largest number."""
    largest = np.finfo(np.float16).max
    return features.clip(-largest, largest).astype(np.float16)


class FeatureCache:
    """The features of one kind, by the content of the image.

    Args:
        store: The store's path or URI; empty for none: then nothing is found, and nothing kept.
        kind: All that the features depend on but the image itself: weights, cut, image size, preprocessing, view.

    Attributes:
        bytes_read: How many bytes of packs were read.
        bytes_written: How many were written.
    """

    def __init__(self, store: str, kind: Mapping[str, Any]) -> None:
        self._kind = json.dumps(kind, sort_keys=True)
        digest = hashlib.sha256(self._kind.encode()).hexdigest()[:32]
        self._uri = f"{store.rstrip('/')}/features/{digest}" if store else ""
        self._names: list[str] = []
        self._rows: list[Array] = []
        self._bytes, self._since = 0, time.monotonic()
        self._written: set[str] = set()
        self.bytes_read = self.bytes_written = 0

    def find(self, sha256s: Sequence[str], width: int) -> tuple[Array, Array]:
        """Looks up images.

        Args:
            sha256s: Content digests of the images.
            width: Length of a feature vector.

        Returns:
            float16 [N, width] features, and bool [N], true for those that were found; the other rows are empty.

        Raises:
            GraftError: The store can't be read.
        """
        features = np.empty((len(sha256s), width), np.float16)
        found = np.zeros(len(sha256s), bool)
        rows: dict[str, list[int]] = {}
        for row, sha256 in enumerate(sha256s):
            rows.setdefault(sha256, []).append(row)
        if not rows:
            return features, found
        for _, names, vectors in self._packs(width):
            for name, vector in zip(names, vectors, strict=True):
                for row in rows.get(name, ()):
                    features[row], found[row] = vector, True
            if found.all():
                break
        return features, found

    def keep(self, sha256s: Sequence[str], features: Array) -> None:
        """Keeps features; they are written whenever a pack is full or a minute has passed.

        Args:
            sha256s: Content digests of the images.
            features: float16 [N, F] features.
        """
        if not self._uri:
            return
        self._names += sha256s
        self._rows.append(features)
        self._bytes += features.nbytes
        if self._bytes >= PACK_BYTES or time.monotonic() - self._since >= PACK_SECONDS:
            self.flush()

    def flush(self) -> None:
        """Writes what is not written yet.

        Raises:
            GraftError: The store can't be written.
        """
        if self._names:
            self._write(self._names, np.concatenate(self._rows))
        self._names, self._rows = [], []
        self._bytes, self._since = 0, time.monotonic()

    def tidy(self, width: int) -> None:
        """Joins packs that are far from full, once there are many: retraining adds a small one each time."""
        small = [name for name, size in self._list() if size < PACK_BYTES // 2]
        if len(small) <= _FEW:
            return
        joined = []
        for pack, names, vectors in self._packs(width, small):
            self.keep(names, vectors)
            joined.append(pack)
        self.flush()
        for name in joined:
            if name not in self._written:  # a pack that no other was joined with keeps its name
                storage.delete(f"{self._uri}/{name}")

    def _packs(self, width: int, chosen: Sequence[str] | None = None) -> Iterator[tuple[str, list[str], Array]]:
        """Yields file name, names and features of every pack that can be used; the log names those that can't, to be computed again.

        Where another training has meanwhile joined some with others, those that it made are read as well.

        Args:
            width: Length of a feature vector.
            chosen: File names of packs; None for all.
        """
        left = [name for name, _ in self._list()] if chosen is None else list(chosen)
        seen: set[str] = set()
        while left:
            seen.update(left)
            is_gone = False
            for name, content in self._read(left):
                if content is None:
                    is_gone = True
                    continue
                self.bytes_read += len(content)
                uri = f"{self._uri}/{name}"
                if hashlib.sha256(content).hexdigest() != name.removesuffix(_SUFFIX):
                    log.warning("A pack of cached features is damaged and computed again: %s", storage.redact(uri))
                    storage.delete(uri)
                    continue
                try:
                    names, features = _unpack(content, width, self._kind)
                except _UNREADABLE as error:
                    log.warning(
                        "A pack of cached features is left out and computed again (%s): %s", error, storage.redact(uri)
                    )
                    continue
                yield name, names, features
            left = [name for name, _ in self._list() if name not in seen] if is_gone and chosen is None else []

    def _read(self, names: Sequence[str]) -> Iterator[tuple[str, bytes | None]]:
        """Yields files with their content, None for those that are gone, and reads ahead: at most `_HELD` are held, the caller's too."""

        def read(name: str) -> bytes | None:
            try:
                return storage.read(f"{self._uri}/{name}")
            except storage.MissingError:
                return None

        left = iter(names)
        ahead: deque[tuple[str, Future[bytes | None]]] = deque()
        with ThreadPoolExecutor(_HELD - 1) as threads:
            while True:
                ahead += [(name, threads.submit(read, name)) for name in islice(left, _HELD - 1 - len(ahead))]
                if not ahead:
                    return
                name, reading = ahead.popleft()
                yield name, reading.result()

    def _list(self) -> list[tuple[str, int]]:
        """Returns the packs' names and sizes in bytes."""
        files = storage.list(self._uri) if self._uri else []
        return [(file.path, file.size or 0) for file in files if file.path.endswith(_SUFFIX)]

    def _write(self, names: Sequence[str], features: Array) -> None:
        schema = _schema(features.shape[1])
        data = pa.py_buffer(np.ascontiguousarray(features))
        column = pa.FixedSizeBinaryArray.from_buffers(schema.field("features").type, len(features), [None, data])
        batch = pa.record_batch([pa.array(names, pa.string()), column], schema)
        buffer = io.BytesIO()
        with pa.ipc.new_file(buffer, schema.with_metadata({_KIND: self._kind})) as writer:
            writer.write_batch(batch)
        content = buffer.getvalue()
        name = f"{hashlib.sha256(content).hexdigest()}{_SUFFIX}"
        storage.write(f"{self._uri}/{name}", content)
        self._written.add(name)
        self.bytes_written += len(content)


def _schema(width: int) -> pa.Schema:
    """Returns a pack's columns; the features are the bytes of float16 [width]."""
    row = pa.binary(width * np.dtype(np.float16).itemsize)
    return pa.schema([("sha256", pa.string()), ("features", row)])


def _unpack(content: bytes, width: int, kind: str) -> tuple[list[str], Array]:
    """Returns a pack's names and features, the latter within `content`.

    Raises:
        ValueError: Its features are of another width, or were computed from something else.
        Exception: Another one of `_UNREADABLE`.
    """
    file = pa.ipc.open_file(pa.BufferReader(content))
    if not file.schema.equals(_schema(width).with_metadata({_KIND: kind}), check_metadata=True):
        raise ValueError("it holds features of another kind")
    batch = file.get_batch(0)  # a pack is written as one
    batch.validate(full=True)
    names, column = batch.column("sha256"), batch.column("features")
    if names.null_count or column.null_count:
        raise ValueError("it has gaps")
    row = column.type.byte_width
    data = column.buffers()[1].slice(column.offset * row, len(column) * row)
    return names.to_pylist(), np.frombuffer(data, np.float16).reshape(-1, width)
