"""Writing a dataset's shards: one open file a split, a new one when it is full. Full ones go to disk or store while others are written."""

import contextlib
from collections import Counter, deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Self
from uuid import uuid4

from graft.components.common import storage
from graft.components.common.artifacts.dataset import Shard
from graft.components.common.artifacts.shards.in_use import CONDEMNED, announcements
from graft.components.common.artifacts.shards.tfrecord import ShardWriter, example, image_at
from graft.components.common.errors import GraftError
from graft.components.ingest.images.checked_image import CheckedImage

KEPT_AT_ONCE = 4
"""So many shards are on their way to disk or store at once. Each is on the disk till it is there, and in memory only in part."""
_READ_AHEAD = 2**18  # a photograph and more, so that one request to a remote store brings all of it


def shards_folder(store: str) -> str:
    """Returns the folder of a store that keeps shards by content."""
    return f"{storage.absolute(store)}/shards"


class Shards:
    """Writes images to shards, by the split that they seem to belong to: the index decides, and may leave images out.

    Args:
        folder: Where the shards go, or are until they are whole.
        full_bytes: Size at which a shard is closed.
        store: Path or URI of the store that keeps them, by content; empty for the folder.
        known: Shards that are in the store already; they have the first numbers.
        stored: Is told of each shard, by number, once it is on the disk or in the store, from several threads.
    """

    def __init__(
        self,
        folder: Path,
        full_bytes: int,
        store: str = "",
        known: Sequence[Shard] = (),
        stored: Callable[[int, Shard], None] | None = None,
    ) -> None:
        self._folder, self._full_bytes, self._store, self._stored = folder, full_bytes, store, stored
        self._numbered: list[Shard | None] = list(known)  # None for one that is open, or on its way
        self._files = contextlib.ExitStack()
        self._open: dict[str, tuple[int, ShardWriter]] = {}
        self._count: Counter[str] = Counter()
        self._keepers = ThreadPoolExecutor(KEPT_AT_ONCE, "keep-shard")
        self._keeping: deque[Future[None]] = deque()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        """Finishes all shards, if writing went well, and waits until they are on the disk, or in the store.

        Raises:
            GraftError: One can't be stored. What is not on its way yet is then left alone.
        """
        with self._files:
            try:
                for split in list(self._open) if kind is None else ():
                    self._finish(split)
                while self._keeping and kind is None:
                    self._keeping.popleft().result()
            finally:
                self._keepers.shutdown(cancel_futures=True)

    @property
    def finished(self) -> list[Shard]:
        """The shards by number, all of them once the context has ended."""
        return [shard for shard in self._numbered if shard]

    def write(self, split: str, label: int, class_name: str, path: str, image: CheckedImage) -> tuple[int, int, int]:
        """Appends an image.

        Args:
            split: The split that it seems to belong to.
            label: Index of its class.
            class_name: Name of its class.
            path: Its path in the source.
            image: Its bytes, and what is known of them.

        Returns:
            The number of its shard, of its record therein, and where that begins, in bytes.
        """
        if split in self._open and self._open[split][1].bytes >= self._full_bytes:
            self._finish(split)
        if split not in self._open:
            name = f"{split}-{self._count[split]:05}.tfrecord"
            self._count[split] += 1
            writer = self._files.enter_context(contextlib.closing(ShardWriter(self._folder / name)))
            self._open[split] = (len(self._numbered), writer)
            self._numbered.append(None)
        number, writer = self._open[split]
        offset = writer.bytes
        writer.write(
            example(
                {
                    "image/encoded": image.encoded,
                    "image/class/label": label,
                    "image/class/text": class_name.encode(),
                    "image/filename": path.encode(),
                    "image/height": image.height,
                    "image/width": image.width,
                    "image/key/sha256": image.sha256.encode(),
                }
            )
        )
        return number, writer.records - 1, offset

    def read(self, name: str, offset: int) -> bytes:
        """Returns an encoded image.

        Args:
            name: The name of its shard, which is finished.
            offset: Where its record begins, in bytes.

        Raises:
            GraftError: The shard can't be read.
        """
        uri = f"{shards_folder(self._store)}/{name}" if self._store else str(self._folder / name)
        with storage.open(uri, _READ_AHEAD) as file:
            try:
                return image_at(file, offset)
            except ValueError as error:
                raise GraftError(f"The shard {uri} is damaged ({error}): remove it, and ingest again.") from error

    def _finish(self, split: str) -> None:
        """Closes a split's shard and has it kept meanwhile; if as many are on their way already, the first is waited for."""
        number, writer = self._open.pop(split)
        writer.close()
        if len(self._keeping) == KEPT_AT_ONCE:
            self._keeping.popleft().result()
        self._keeping.append(self._keepers.submit(self._keep, number, writer))

    def _keep(self, number: int, writer: ShardWriter) -> None:
        if self._store:
            uri = self._upload(writer)
        else:
            storage.flush(writer.path)  # or the step would wait for all of them in the end
            uri = writer.path.name
        shard = Shard(uri=uri, images=writer.records, bytes=writer.bytes, sha256=writer.sha256)
        if self._stored:
            self._stored(number, shard)
        self._numbered[number] = shard

    def _upload(self, writer: ShardWriter) -> str:
        folder, name = shards_folder(self._store), f"{writer.sha256}.tfrecord"
        storage.put(writer.path, f"{folder}/{name}")
        if name in announcements(folder, CONDEMNED):  # `graft gc` may just be deleting it
            name = f"{writer.sha256}-{uuid4().hex[:8]}.tfrecord"
            storage.put(writer.path, f"{folder}/{name}")
        writer.path.unlink()
        return f"{folder}/{name}"
