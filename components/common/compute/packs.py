"""What was computed of images and outlives a run: kept in the store under the content that it was computed from.

A pack holds the rows of many images and is named by the digest of its own bytes; it tells what they were computed from. So two
runs at once can't get in each other's way, a damaged pack is known as such, and what a killed pass had written is there for the
next one.
"""

import contextlib
import hashlib
import json
import logging
import time
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from typing import Any, ClassVar

import numpy as np

from graft.components.common import storage
from graft.components.common.compute.pack_file import SUFFIX, UNREADABLE, kind_and_names, pack, unpack

log = logging.getLogger("graft")

PACK_BYTES = 128 * 2**20
PACK_SECONDS = 60.0
_FEW = 16
_HELD = 4
_ROWS_AT_ONCE = 256

Array = np.ndarray[Any, Any]


class PackCache:
    """Rows of numbers of one kind, by the content of the image. What they are, a subclass says.

    Args:
        store: The store's path or URI; empty for none: then nothing is found, and nothing kept.
        kind: All that the rows depend on but the image itself.

    Attributes:
        NAME: What the rows are, in the plural: the packs' folder in the store, and their column.
        DTYPE: The type of a row's numbers.
        bytes_read: How many bytes of packs were read.
        bytes_written: How many were written.
    """

    NAME: ClassVar[str]
    DTYPE: ClassVar[type[np.generic]]

    def __init__(self, store: str, kind: Mapping[str, Any]) -> None:
        self._kind = json.dumps(kind, sort_keys=True)
        digest = hashlib.sha256(self._kind.encode()).hexdigest()[:32]
        self._uri = f"{store.rstrip('/')}/{self.NAME}/{digest}" if store else ""
        self._names: list[str] = []
        self._rows: list[Array] = []
        self._bytes, self._since = 0, time.monotonic()
        self._written: set[str] = set()
        self.bytes_read = self.bytes_written = 0

    def find(self, sha256s: Sequence[str], width: int) -> tuple[Array, Array]:
        """Looks up images.

        Args:
            sha256s: Content digests of the images.
            width: Numbers of a row.

        Returns:
            DTYPE [N, width], and bool [N], true for the images that were found; the other rows are empty.

        Raises:
            GraftError: The store can't be read.
        """
        values = np.empty((len(sha256s), width), self.DTYPE)
        found = np.zeros(len(sha256s), bool)
        for places, some in self.find_by_pack(sha256s, width):
            values[places], found[places] = some, True
        return values, found

    def find_by_pack(self, sha256s: Sequence[str], width: int) -> Iterator[tuple[Array, Array]]:
        """Looks up images, and holds only a few packs of them in memory.

        Args:
            sha256s: Content digests of the images.
            width: Numbers of a row.

        Yields:
            int64 [n], the places of some images in `sha256s`, and their rows, DTYPE [n, width].

        Raises:
            GraftError: The store can't be read.
        """
        wanted: dict[str, list[int]] = {}
        for place, sha256 in enumerate(sha256s):
            wanted.setdefault(sha256, []).append(place)
        for _, names, values in self._packs(width) if wanted else ():
            # Another pack may have the same image.
            pairs = [(place, row) for row, name in enumerate(names) for place in wanted.pop(name, ())]
            for first in range(0, len(pairs), _ROWS_AT_ONCE):
                places, rows = np.array(pairs[first : first + _ROWS_AT_ONCE]).T
                yield places, values[rows]
            if not wanted:
                break

    def lacking(self, sha256s: Sequence[str]) -> Array:
        """Tells which images no pack claims to have rows of, bool [N]: rows aren't read, and may prove damaged.

        Args:
            sha256s: Content digests of the images.

        Raises:
            GraftError: The store can't be read.
        """
        left, seen = set(sha256s), set[str]()
        with ThreadPoolExecutor(_HELD) as threads:
            while new := [name for name, _ in self._list() if name not in seen]:  # meanwhile some may be joined
                seen.update(new)
                for names in threads.map(self._names_in, new):
                    left.difference_update(names)
        return np.array([sha256 in left for sha256 in sha256s], bool)

    @property
    def unwritten(self) -> int:
        """How many rows are kept that are not written yet."""
        return len(self._names)

    def keep(self, sha256s: Sequence[str], values: Array) -> None:
        """Keeps rows; they are written whenever a pack is full or a minute has passed.

        Args:
            sha256s: Content digests of the images.
            values: DTYPE [N, width], a row an image.
        """
        if not self._uri:
            return
        self._names += sha256s
        self._rows.append(values)
        self._bytes += values.nbytes
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
        """Joins packs that are far from full, once there are many: each run adds a small one."""
        small = [name for name, size in self._list() if size < PACK_BYTES // 2]
        if len(small) <= _FEW:
            return
        joined = []
        for name, names, values in self._packs(width, small):
            self.keep(names, values)
            joined.append(name)
        self.flush()
        for name in joined:
            if name not in self._written:  # a pack that no other was joined with keeps its name
                storage.delete(f"{self._uri}/{name}")

    def _packs(self, width: int, chosen: Sequence[str] | None = None) -> Iterator[tuple[str, list[str], Array]]:
        """Yields file name, names and rows of every pack that can be used; the log names those that can't, to be computed again.

        Where another run has meanwhile joined some with others, those that it made are read as well.

        Args:
            width: Numbers of a row.
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
                if hashlib.sha256(content).hexdigest() != name.removesuffix(SUFFIX):
                    log.warning("A pack of cached %s is damaged and computed again: %s", self.NAME, storage.redact(uri))
                    storage.delete(uri)
                    continue
                try:
                    names, values = unpack(content, self.DTYPE, width, self.NAME, self._kind)
                    self._check(values)
                except UNREADABLE as error:
                    log.warning(
                        "A pack of cached %s is left out and computed again (%s): %s",
                        self.NAME,
                        error,
                        storage.redact(uri),
                    )
                    continue
                yield name, names, values
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

    def _names_in(self, name: str) -> list[str]:
        """Returns whose rows a pack has; none if it is gone, or can't be read."""
        with contextlib.suppress(storage.MissingError, *UNREADABLE), storage.open(f"{self._uri}/{name}") as file:
            return kind_and_names(file)[1]
        return []

    def _list(self) -> list[tuple[str, int]]:
        """Returns the packs' names and sizes in bytes."""
        files = storage.list(self._uri) if self._uri else []
        return [(file.path, file.size or 0) for file in files if file.path.endswith(SUFFIX)]

    def _write(self, names: Sequence[str], values: Array) -> None:
        content = pack(names, values, self.NAME, self._kind)
        name = f"{hashlib.sha256(content).hexdigest()}{SUFFIX}"
        storage.write(f"{self._uri}/{name}", content)
        self._written.add(name)
        self.bytes_written += len(content)

    def _check(self, values: Array) -> None:
        """Refuses a pack's rows that can't be what they are said to be.

        Raises:
            ValueError: They can't.
        """
