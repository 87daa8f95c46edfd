"""Checking all images of a source on all cores, reading only those that may have changed."""

import dataclasses
import hashlib
import os
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor

from graft.components.common.progress import progress
from graft.components.ingest.images import BadImageError, CheckedImage, check_image
from graft.components.ingest.index import Row
from graft.components.ingest.layout import Item, printable
from graft.components.ingest.previous import Previous
from graft.components.ingest.source import Source, UnreadableFileError
from graft.components.ingest.thumbnails import partial_thumbnail

_IN_FLIGHT_PER_CORE = 8


@dataclasses.dataclass(frozen=True, slots=True)
class Unusable:
    """A file that is no usable image.

    Attributes:
        reason: Why not.
        thumbnail: JPEG of what could be decoded of it; None if nothing could.
    """

    reason: str
    thumbnail: bytes | None


@dataclasses.dataclass(frozen=True, slots=True)
class Checked:
    """What came of a file.

    Attributes:
        item: The file.
        version: What changes when the file does.
        found: The image; or the row of an earlier dataset that has the same one; or why it can't be used.
        bytes: How many bytes were read of it.
    """

    item: Item
    version: str
    found: CheckedImage | Row | Unusable
    bytes: int


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def check(files: Source, item: Item, previous: Previous | None = None) -> Checked:
    """Reads and checks one file, unless an earlier dataset knows it.

    Args:
        files: The source.
        item: The file.
        previous: An earlier dataset, whose images are not checked again; None for none.
    """
    version, content = "", b""
    try:
        version = files.version(item.path)
        if previous and (row := previous.unchanged(printable(item.path), version)):
            return Checked(item, version, row, 0)
        content = files.read(item.path)
        known = previous.same_content(printable(item.path), _digest(content)) if previous else None
        return Checked(item, version, known or check_image(content), len(content))
    except (BadImageError, UnreadableFileError) as error:
        return Checked(item, version, Unusable(str(error), partial_thumbnail(content)), len(content))


def check_all(files: Source, items: list[Item], previous: Previous | None) -> Iterator[Checked]:
    """Yields what came of every file, in order.

    Threads suffice: Pillow and hashlib let go of Python's lock while they work.

    Args:
        files: The source.
        items: Its files that ought to be images; they are taken out of the list, since there may be a million.
        previous: An earlier dataset, whose images are not checked again; None for none.
    """
    waiting: deque[Future[Checked]] = deque()
    cores = os.cpu_count() or 1
    with ThreadPoolExecutor(cores) as threads, progress("checking images", len(items)) as advance:
        try:
            items.reverse()
            while items:
                waiting.append(threads.submit(check, files, items.pop(), previous))
                if len(waiting) >= _IN_FLIGHT_PER_CORE * cores:
                    yield waiting.popleft().result()
                    advance(1)
            while waiting:
                yield waiting.popleft().result()
                advance(1)
        finally:
            for future in waiting:
                future.cancel()
