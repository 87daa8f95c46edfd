"""Shards of remote stores on this machine's disk: each is downloaded once, several at once, ahead of whoever reads them."""

import atexit
import contextlib
import functools
import threading
from collections import Counter, deque
from collections.abc import Generator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from pathlib import Path

from graft.components.common import storage
from graft.components.common.artifacts.dataset import Dataset, Shard

_AT_ONCE = 4
"""So many shards come at once, of each a few MiB in memory; and no more are ahead of who reads them."""
_KEPT_BYTES = 16 * 2**30
"""Once there are more on the disk, those that were read are removed. A dataset that is larger is downloaded for each pass."""


class ShardPaths:
    """Local paths of some shards of a Dataset, each of which is whole when it comes; the next ones are downloaded meanwhile.

    Args:
        dataset: The dataset.
        shards: Some of its shards.
    """

    def __init__(self, dataset: Dataset, shards: Sequence[Shard]) -> None:
        self._dataset, self._shards = dataset, shards

    def __iter__(self) -> Generator[str, None, None]:
        """Yields the paths in order, each to be read before the next one is asked for: it may be removed then.

        Raises:
            GraftError: A shard can't be had, or isn't what the dataset's record says.
        """
        left = iter(self._shards)
        ahead: deque[tuple[Shard, Future[Path] | None]] = deque()
        try:
            while True:
                ahead += [(shard, self._start(shard)) for shard in islice(left, _AT_ONCE - len(ahead))]
                if not ahead:
                    return
                shard, download = ahead[0]
                yield self._path(shard, download)
                _leave(*ahead.popleft())
        finally:
            for started in ahead:
                _leave(*started)

    def kept(self) -> Generator[str, None, None]:
        """Yields the paths in order, to be read for as long as this process lasts; else as going through them does."""
        started = deque((shard, self._start(shard)) for shard in self._shards)
        try:
            while started:
                yield self._path(*started[0])
                started.popleft()
        finally:  # the process would not end before all that are waiting have come
            for waiting in started:
                _leave(*waiting)

    def _start(self, shard: Shard) -> Future[Path] | None:
        return _downloads().start(shard) if _is_remote(shard) else None

    def _path(self, shard: Shard, download: Future[Path] | None) -> str:
        return str(download.result() if download else self._dataset.path / shard.uri)


def _leave(shard: Shard, download: Future[Path] | None) -> None:
    if download:
        _downloads().leave(shard)


def raise_refused(dataset: Dataset) -> None:
    """Raises what a download of a Dataset's shards ended with, if one failed: TensorFlow passes only its text on.

    Raises:
        GraftError: One could not be had.
    """
    for shard in dataset.shards:
        if _is_remote(shard):
            _downloads().raise_refused(shard)


def _is_remote(shard: Shard) -> bool:
    return "://" in shard.uri


class _Downloads:
    """Downloads into a folder. It may be used from several threads."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._pool, self._lock = folder, ThreadPoolExecutor(_AT_ONCE, "download"), threading.Lock()
        self._started: dict[str, Future[Path]] = {}
        self._readers: Counter[str] = Counter()
        self._bytes: dict[str, int] = {}

    def start(self, shard: Shard) -> Future[Path]:
        """Has a shard downloaded, unless it is there or on its way; one that failed is tried again. It stays until it is left."""
        with self._lock:
            found = self._started.get(shard.name)
            if found is None or found.cancelled() or (found.done() and found.exception()):
                found = self._started[shard.name] = self._pool.submit(
                    storage.fetch, shard.uri, self._folder, shard.sha256, keep=False
                )
            self._bytes[shard.name] = shard.bytes
            self._readers[shard.name] += 1
            return found

    def leave(self, shard: Shard) -> None:
        """Notes that whoever had a shard downloaded is done with it."""
        with self._lock:
            self._readers[shard.name] -= 1
            if self._readers[shard.name]:
                return
            found, total = self._started[shard.name], sum(self._bytes.values())
            if found.cancel() or (found.done() and not found.exception() and total > _KEPT_BYTES):
                (self._folder / shard.name).unlink(missing_ok=True)
                del self._started[shard.name], self._bytes[shard.name]

    def raise_refused(self, shard: Shard) -> None:
        """Raises what the download of a shard ended with, if it failed."""
        found = self._started.get(shard.name)
        if found and not found.cancelled() and found.done() and (error := found.exception()):
            raise error


@functools.cache
def _downloads() -> _Downloads:
    """Returns the downloads of this process, whose folder lasts as long as it."""
    kept = contextlib.ExitStack()
    atexit.register(kept.close)
    return _Downloads(kept.enter_context(storage.scratch_folder("shards")))
