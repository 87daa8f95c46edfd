"""Collecting a source's images: the new ones checked and written to shards, those of an earlier dataset taken over."""

import dataclasses
import logging
from collections import defaultdict
from typing import IO

import numpy as np

from graft.components.common.artifacts.dataset import Unusable
from graft.components.common.errors import GraftError
from graft.components.ingest.config import IngestConfig
from graft.components.ingest.dataset.checking import check_all, check_anew
from graft.components.ingest.dataset.class_coverage import examples
from graft.components.ingest.dataset.collected_rows import CollectedRows, IndexRow, RowWriter
from graft.components.ingest.dataset.corrections import Corrections
from graft.components.ingest.dataset.image_arrays import Array
from graft.components.ingest.dataset.image_writer import ImageWriter
from graft.components.ingest.dataset.splits import split_by_content
from graft.components.ingest.images.decoding_pool import Undecodable
from graft.components.ingest.images.thumbnails import MAX_PICTURED
from graft.components.ingest.kept.known_images import KnownImages
from graft.components.ingest.source.file_names import printable
from graft.components.ingest.source.image_files import ImageFiles
from graft.components.ingest.source.layout import Layout

log = logging.getLogger("graft")


@dataclasses.dataclass
class Collected:
    """What the images of a source came to.

    Attributes:
        rows: A row an image, with the number of its shard.
        by_content: bool [N], true where the source doesn't say which split an image is in, and it stays.
        unusable: Files that are no usable images.
        thumbnails: What could be decoded of them, JPEG by path.
        checked: How many images were read and decoded, here, by parts, or before this ingest was killed.
        reused: How many were not, being in the earlier dataset.
        bytes_read: How many bytes of images were read.
    """

    rows: CollectedRows
    by_content: Array
    unusable: list[Unusable]
    thumbnails: dict[str, bytes]
    checked: int
    reused: int
    bytes_read: int


def collect(
    files: ImageFiles,
    layout: Layout,
    writer: ImageWriter,
    known: KnownImages | None,
    corrections: Corrections,
    config: IngestConfig,
    scratch: IO[bytes],
) -> Collected:
    """Checks all images on all cores and writes the good ones in the order of their paths.

    Args:
        files: The source.
        layout: Splits and classes of its files.
        writer: Takes the images.
        known: What is known of images, of which those that are in shards already are taken over; None for nothing.
        corrections: What people say about the images.
        config: The shares of the splits, and how many files may be unusable.
        scratch: An open temporary file, which keeps the rows.

    Raises:
        GraftError: Too many files can't be used.
    """
    by_content, unusable = bytearray(), list[Unusable]()
    thumbnails: dict[str, bytes] = {}
    checked = reused = bytes_read = 0
    taken = _Taken()
    with RowWriter(scratch, layout.columns) as index:
        for done in check_all(files, layout.images, known):
            if isinstance(done.found, IndexRow) and not taken.take(done.found):
                bytes_read += done.bytes
                done = check_anew(files, done.file)
            file, found, path = done.file, done.found, printable(done.file.path)
            bytes_read += done.bytes
            if isinstance(found, Undecodable):
                unusable.append(
                    Unusable(path=path, label=file.label, reason=found.reason, version=done.version or None)
                )
                if found.thumbnail and len(thumbnails) < MAX_PICTURED:
                    thumbnails[path] = found.thumbnail
                writer.note(done)
                continue
            decided = corrections.decide(found.sha256, path, file.label)
            if isinstance(found, IndexRow):
                writer.note(done)
                split = file.split or split_by_content(found.sha256, config)
                row = dataclasses.replace(found, path=path, split=split, label=decided.label, version=done.version)
            else:
                row = writer.write(done, found, decided.label)
            is_reused = isinstance(found, IndexRow) and not (known and known.is_new(found))
            reused, checked = reused + is_reused, checked + (not is_reused)
            row = dataclasses.replace(row, split="" if decided.removed else row.split, label_kept=decided.kept)
            index.add(row, file.columns)
            by_content.append(file.split is None and not decided.removed)
    _check_share(unusable, len(unusable) + len(by_content), config)
    rows = CollectedRows(scratch)
    return Collected(rows, np.array(by_content, bool), unusable, thumbnails, checked, reused, bytes_read)


class _Taken:
    """The records of shards that images have: of two with the same bytes, the second one has a record of its own."""

    def __init__(self) -> None:
        self._taken = defaultdict[int, bytearray](bytearray)  # by shard, a byte a record

    def take(self, row: IndexRow) -> bool:
        """Returns whether a row's record was still to be had."""
        records = self._taken[row.shard]
        records.extend(bytes(max(0, row.record + 1 - len(records))))
        free = not records[row.record]
        records[row.record] = 1
        return free


def _check_share(unusable: list[Unusable], total: int, config: IngestConfig) -> None:
    if len(unusable) > config.max_bad_fraction * total:
        raise GraftError(
            f"{len(unusable)} of {total} files can't be used, more than --max-bad-fraction {config.max_bad_fraction:g} allows: "
            f"{examples(unusable)}. Repair or remove them, or raise the limit."
        )
    if unusable:
        log.warning("%s of %s files can't be used: %s", f"{len(unusable):,}", f"{total:,}", examples(unusable))
