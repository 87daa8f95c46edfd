"""Checking all images of a source on all cores, reading only those that may have changed."""

import dataclasses
import hashlib
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Executor, Future, ThreadPoolExecutor

from graft.components.common.compute.machine import cores
from graft.components.common.progress import progress
from graft.components.ingest.dataset.collected_rows import IndexRow
from graft.components.ingest.images.checked_image import CheckedImage
from graft.components.ingest.images.decoding_pool import Undecodable, check_contents, decoders
from graft.components.ingest.kept.known_images import KnownImages
from graft.components.ingest.source.file_names import printable
from graft.components.ingest.source.image_files import ImageFiles, UnreadableFileError
from graft.components.ingest.source.labelled_images import LabelledImage, LabelledImages

# A batch is so many files, or of large ones fewer, by what the last ones came to: all that are on their way are in memory. Handing one
# over takes as long as handing over ten photographs does.
_FIRST_BATCH, _LARGEST_BATCH, _BATCH_BYTES = 8, 16, 2**19
# So many batches are read at once, and a few more while others are decoded: remote files take their time to come.
_READERS = 8


@dataclasses.dataclass(frozen=True, slots=True)
class Checked:
    """What came of a file.

    Attributes:
        file: The file.
        version: What changes when the file does; nothing if that is unknown, or it could not be read.
        found: The image; or the row of an earlier dataset that has the same one; or why it can't be used.
        bytes: How many bytes were read of it, now or for the same Dataset before.
        read: Whether it was read now.
    """

    file: LabelledImage
    version: str
    found: CheckedImage | IndexRow | Undecodable
    bytes: int
    read: bool


def check_all(files: ImageFiles, listed: LabelledImages, known: KnownImages | None) -> Iterator[Checked]:
    """Yields what came of every file, in order.

    Args:
        files: The source.
        listed: Its files that ought to be images; a sequence of any length.
        known: What is known already, and not checked again; None for nothing.
    """
    waiting: deque[Future[list[Checked]]] = deque()
    ahead = _READERS + 2 * cores()
    begun, size = 0, _FIRST_BATCH
    with (
        progress("checking images", len(listed)) as advance,
        decoders(len(listed)) as pool,
        ThreadPoolExecutor(ahead) as readers,
    ):
        try:
            while True:
                while begun < len(listed) and len(waiting) < ahead:
                    batch = listed[begun : begun + size]
                    waiting.append(readers.submit(_check_batch, files, batch, known, pool))
                    begun += len(batch)
                if not waiting:
                    break
                done = waiting.popleft().result()
                size = _next_batch(done)
                yield from done
                advance(len(done))
        finally:
            for future in waiting:
                future.cancel()


def _next_batch(done: list[Checked]) -> int:
    mean = sum(checked.bytes for checked in done) // len(done)
    return max(1, min(_LARGEST_BATCH, _BATCH_BYTES // max(1, mean)))


def check_anew(files: ImageFiles, file: LabelledImage) -> Checked:
    """Reads and checks one file, whatever is known of it."""
    return _check_batch(files, [file], None, None)[0]


def _check_batch(
    files: ImageFiles, batch: list[LabelledImage], known: KnownImages | None, pool: Executor | None
) -> list[Checked]:
    """Reads files and has them checked where the cores are."""
    read = [_read(files, file, known) for file in batch]
    contents = [found for _, found, _, _ in read if isinstance(found, bytes)]
    found_here = pool.submit(check_contents, contents).result() if pool and contents else check_contents(contents)
    checked, done = iter(found_here), []
    for file, (version, found, size, was_read) in zip(batch, read, strict=True):
        if isinstance(found, bytes):
            image = next(checked)
            if isinstance(image, CheckedImage) and not image.encoded:
                image = dataclasses.replace(image, encoded=found)
            lasts = isinstance(image, CheckedImage) or image.for_good
            done.append(Checked(file, version if lasts else "", image, size, was_read))
        else:
            done.append(Checked(file, version, found, size, was_read))
    return done


def _read(
    files: ImageFiles, file: LabelledImage, known: KnownImages | None
) -> tuple[str, bytes | IndexRow | Undecodable, int, bool]:
    """Returns a file's version, its content or what makes decoding needless or impossible, its bytes, and whether it was read now."""
    version, path = "", printable(file.path)
    try:
        version = files.version(file.path)
        if known and (found := known.unchanged(path, version)):
            return version, *found, False
        content, version = files.read_as(file.path, version)
    except UnreadableFileError as error:  # the next time it may be readable, though it is as it was
        return "", Undecodable(str(error), None), 0, False
    same = known.same_content(path, hashlib.sha256(content).hexdigest()) if known else None
    return version, same or content, len(content), True
