"""Keeping what checking finds, a file for each shard, so that it outlives a process that is killed."""

import contextlib
import hashlib
import threading
from collections.abc import Callable
from tempfile import TemporaryFile
from typing import IO, Any, Self

from graft.components.common import storage
from graft.components.common.artifacts.dataset import Shard
from graft.components.common.runs.run import Run
from graft.components.ingest.dataset.checking import Checked
from graft.components.ingest.dataset.collected_rows import IndexRow
from graft.components.ingest.dataset.table_writer import TableWriter
from graft.components.ingest.images.decoding_pool import Undecodable
from graft.components.ingest.images.thumbnails import MAX_PICTURED
from graft.components.ingest.kept.row_file import FACTS, AboutRows, remove, rows_folder, schema
from graft.components.ingest.source.file_names import printable


class RowKeeper:
    """Keeps the rows of a shard once the store has the shard: a context manager, which keeps none of shards that are not there then.

    Args:
        run: The run, with a store.
        least_bytes: The rows of smaller shards are not kept: those of the last ones, which a step that has got so far soon needs no more.
        told: Is told of how many files the store has the rows now, from any thread but never from two at once.
    """

    def __init__(self, run: Run, least_bytes: int = 0, told: Callable[[int], None] | None = None) -> None:
        self._folder, self._least_bytes, self._tell = rows_folder(run), least_bytes, told
        self._open: dict[int, _OpenFile] = {}
        self._waiting: list[tuple[Any, ...]] = []  # rows of files that are in no shard
        self._pictured = 0
        self._files = contextlib.ExitStack()
        self._lock = threading.Lock()
        self._kept: list[str] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Removes the temporary files."""
        self._files.close()

    def add(self, row: IndexRow, size: int) -> None:
        """Takes the row of an image in a shard that is open.

        Args:
            row: The row.
            size: How many bytes were read of it.
        """
        if row.shard not in self._open:
            self._open[row.shard] = _OpenFile(self._files)
        file = self._open[row.shard]
        for other in self._waiting:
            file.add(other)
        self._waiting.clear()
        file.add((*(getattr(row, name) for name in FACTS), size, None, None))

    def add_other(self, done: Checked) -> bool:
        """Takes that a file is no usable image, or one that is in a shard already.

        Returns:
            Whether there is anything to keep: it took reading the file, and it can be told that it is as it was.
        """
        if not done.read or not done.version:
            return False
        facts: dict[str, Any] = {"path": printable(done.file.path), "version": done.version}
        reason = thumbnail = None
        if isinstance(done.found, Undecodable):
            reason = done.found.reason
            thumbnail = done.found.thumbnail if self._pictured < MAX_PICTURED else None
            self._pictured += thumbnail is not None
        else:
            facts["sha256"] = done.found.sha256
        self._waiting.append((*(facts.get(name) for name in FACTS), done.bytes, reason, thumbnail))
        return True

    def keep(self, number: int, shard: Shard) -> None:
        """Keeps the rows of a shard that the store has now.

        Args:
            number: The shard's number.
            shard: The shard.

        Raises:
            GraftError: The store can't be written.
        """
        file = self._open.pop(number)
        if shard.bytes >= self._least_bytes:
            self._keep(file, shard)

    def end(self) -> None:
        """Keeps what belongs to no shard, once all shards are in the store.

        Raises:
            GraftError: The store can't be written.
        """
        if self._waiting:
            file = _OpenFile(self._files)
            for other in self._waiting:
                file.add(other)
            self._keep(file, None)

    def forget(self) -> None:
        """Removes what was kept, which a Dataset has now."""
        remove(self._kept)

    def _keep(self, file: "_OpenFile", shard: Shard | None) -> None:
        content = file.end(AboutRows(shard=shard))
        uri = f"{self._folder}/{hashlib.sha256(content).hexdigest()}.parquet"
        storage.write(uri, content)
        self._kept.append(uri)
        self.done(file.rows)

    def done(self, files: int) -> None:
        """Tells that nothing more is to be kept of some files."""
        with self._lock:
            if self._tell:
                self._tell(files)


class _OpenFile:
    """A file of rows that is being written."""

    def __init__(self, files: contextlib.ExitStack) -> None:
        self._file: IO[bytes] = files.enter_context(TemporaryFile())  # noqa: SIM115 (the stack closes it)
        self._writer = TableWriter(self._file, schema())
        self.rows = 0

    def add(self, row: tuple[Any, ...]) -> None:
        self._writer.append(row)
        self.rows += 1

    def end(self, about: AboutRows) -> bytes:
        self._writer.end(about.text())
        self._file.seek(0)
        content = self._file.read()
        self._file.close()
        return content
