"""Features that outlive a run: kept in the store under the content that they were computed from.

A pack holds the features of many images and is named by the digest of its own bytes. So two trainings at once can't get in
each other's way, a damaged pack is known as such, and what a killed pass had written is there for the next one.
"""

import hashlib
import io
import json
import logging
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pyarrow as pa

from graft.components.common import storage

log = logging.getLogger("graft")

PACK_BYTES = 128 * 2**20
PACK_SECONDS = 60.0
_FEW = 16
_SUFFIX = ".arrow"

Array = np.ndarray[Any, Any]


def half(features: Array) -> Array:
    """Returns features as float16, as they are kept: those beyond its range become its largest number.

    Args:
        features: float32 features.
    """
    largest = np.finfo(np.float16).max
    return features.clip(-largest, largest).astype(np.float16)


class FeatureCache:
    """The features of one kind, by the content of the image.

    Args:
        store: The store's path or URI; empty for none: then nothing is found, and nothing kept.
        kind: All that the features depend on but the image itself: weights, cut, image size, preprocessing, view.
    """

    def __init__(self, store: str, kind: Mapping[str, Any]) -> None:
        digest = hashlib.sha256(json.dumps(kind, sort_keys=True).encode()).hexdigest()[:32]
        self._uri = f"{store.rstrip('/')}/features/{digest}" if store else ""
        self._kind = kind
        self._names: list[str] = []
        self._rows: list[Array] = []
        self._bytes, self._since = 0, time.monotonic()

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
        for names, vectors in self._packs(width):
            for name, vector in zip(names, vectors, strict=True):
                for row in rows.get(name, ()):
                    features[row], found[row] = vector, True
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
        """Joins packs that are far from full, once there are many: retraining adds a small one each time.

        Args:
            width: Length of a feature vector.
        """
        small = [(path, size) for path, size in self._list() if size < PACK_BYTES // 2]
        if len(small) <= _FEW:
            return
        for path, _ in small:
            for names, vectors in self._packs(width, [path]):
                self.keep(names, vectors)
        self.flush()
        for path, _ in small:
            storage.remove_file(self._uri, path)

    def _packs(self, width: int, paths: Sequence[str] | None = None) -> Iterator[tuple[list[str], Array]]:
        """Yields names and features of every pack that is whole; one that isn't is removed, to be computed again."""
        if not self._uri:
            return
        fs, _ = storage.filesystem(self._uri)
        chosen = [path for path, _ in self._list()] if paths is None else paths

        def read(path: str) -> bytes | None:
            with storage.access(self._uri):
                try:
                    return bytes(fs.cat_file(path))
                except FileNotFoundError:  # another training has just joined it with others
                    return None

        with ThreadPoolExecutor(4) as threads:
            for path, content in zip(chosen, threads.map(read, chosen), strict=True):
                if content is None:
                    continue
                if hashlib.sha256(content).hexdigest() != path.rpartition("/")[2].removesuffix(_SUFFIX):
                    log.warning("a pack of cached features is damaged and computed again: %s", storage.redact(path))
                    storage.remove_file(self._uri, path)
                    continue
                table = pa.ipc.open_file(io.BytesIO(content)).read_all()
                vectors = np.frombuffer(b"".join(table["features"].to_pylist()), np.float16)
                yield table["sha256"].to_pylist(), vectors.reshape(-1, width)

    def _list(self) -> list[tuple[str, int]]:
        return storage.list_files(self._uri, _SUFFIX) if self._uri else []

    def _write(self, names: Sequence[str], features: Array) -> None:
        table = pa.table(
            {
                "sha256": pa.array(names, pa.string()),
                "features": pa.array([row.tobytes() for row in features], pa.binary()),
            },
            metadata={"kind": json.dumps(self._kind, sort_keys=True)},
        )
        buffer = io.BytesIO()
        with pa.ipc.new_file(buffer, table.schema) as writer:
            writer.write_table(table)
        content = buffer.getvalue()
        uri = f"{self._uri}/{hashlib.sha256(content).hexdigest()}{_SUFFIX}"
        fs, path = storage.filesystem(uri)
        with storage.access(self._uri, "write"):
            fs.makedirs(path.rpartition("/")[0], exist_ok=True)
            fs.pipe_file(path, content)  # a torn one is known by its name
