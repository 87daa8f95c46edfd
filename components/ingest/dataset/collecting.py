"""Collecting a source's images: the new ones checked and written to shards, those of an earlier dataset taken over."""

import dataclasses
import logging
from collections import defaultdict
from typing import IO

import numpy as np

from graft.components.common.artifacts.dataset import Unusable
from graft.components.common.errors import GraftError
from graft.components.ingest.config import IngestConfig
from graft.components.ingest.dataset.checking import Checked, check_all, check_anew
from graft.components.ingest.dataset.class_coverage import examples
from graft.components.ingest.dataset.collected_rows import CollectedRows, IndexRow, RowWriter
from graft.components.ingest.dataset.corrections import Corrections
from graft.components.ingest.dataset.image_arrays import Array
from graft.components.ingest.dataset.previous_dataset import PreviousDataset
from graft.components.ingest.dataset.shards import Shards
from graft.components.ingest.dataset.splits import split_by_content
from graft.components.ingest.images.checked_image import CheckedImage
from graft.components.ingest.images.decoding_pool import Undecodable
from graft.components.ingest.source.file_names import printable
from graft.components.ingest.source.image_files import ImageFiles
from graft.components.ingest.source.layout import Layout

MAX_PICTURED = 500
"""Of unusable files, so many have a thumbnail at most."""

log = logging.getLogger("graft")


@dataclasses.dataclass
class Collected:
    """What the images of a source came to.

    Attributes:
        rows: A row an image, with the number of its shard.
        by_content: bool [N], true where the source doesn't say which split an image is in, and it stays.
        unusable: Files that are no usable images.
        thumbnails: What could be decoded of them, JPEG by path.
        checked: How many images were read and decoded.
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
    shards: Shards,
    previous: PreviousDataset | None,
    corrections: Corrections,
    config: IngestConfig,
    scratch: IO[bytes],
) -> Collected:
    """Checks all images on all cores and writes the good ones in the order of their paths.

    Args:
        files: The source.
        layout: Splits and classes of its files.
        shards: Takes the images.
        previous: An earlier dataset, whose images are in shards already; None for none.
        corrections: What people say about the images.
        config: The shares of the splits, and how many files may be unusable.
        scratch: An open temporary file, which keeps the rows.

    Raises:
        GraftError: Too many files can't be used.
    """
    by_content, unusable = bytearray(), list[Unusable]()
    thumbnails: dict[str, bytes] = {}
    checked = reused = bytes_read = 0
    labels = {name: number for number, name in enumerate(layout.classes)}

    def written(done: Checked, image: CheckedImage, label: str) -> IndexRow:
        file, path = done.file, printable(done.file.path)
        split = file.split or split_by_content(image.sha256, config)
        place = shards.write(split, labels[label], label, path, image)
        looks = (image.width, image.height, image.brightness, image.phash, image.miniature, ",".join(image.conversions))
        return IndexRow(image.sha256, path, split, label, *looks, done.version, *place)

    taken = defaultdict[int, bytearray](bytearray)  # by shard, a byte a record
    with RowWriter(scratch, layout.columns) as index:
        for done in check_all(files, layout.images, previous):
            if isinstance(done.found, IndexRow):
                # A record is one image's: of two with the same bytes, the second one has a record of its own.
                records, record = taken[done.found.shard], done.found.record
                records.extend(bytes(max(0, record + 1 - len(records))))
                if records[record]:
                    bytes_read += done.bytes
                    done = check_anew(files, done.file)
                records[record] = 1
            file, found, path = done.file, done.found, printable(done.file.path)
            bytes_read += done.bytes
            if isinstance(found, Undecodable):
                version = done.version or None
                unusable.append(Unusable(path=path, label=file.label, reason=found.reason, version=version))
                if found.thumbnail and len(thumbnails) < MAX_PICTURED:
                    thumbnails[path] = found.thumbnail
                continue
            decided = corrections.decide(found.sha256, path, file.label)
            if isinstance(found, IndexRow):
                split = file.split or split_by_content(found.sha256, config)
                row = dataclasses.replace(found, path=path, split=split, label=decided.label, version=done.version)
                reused += 1
            else:
                row = written(done, found, decided.label)
                checked += 1
            row = dataclasses.replace(row, split="" if decided.removed else row.split, label_kept=decided.kept)
            index.add(row, file.columns)
            by_content.append(file.split is None and not decided.removed)
    total = len(unusable) + len(by_content)
    if len(unusable) > config.max_bad_fraction * total:
        raise GraftError(
            f"{len(unusable)} of {total} files can't be used, more than --max-bad-fraction {config.max_bad_fraction:g} allows: "
            f"{examples(unusable)}. Repair or remove them, or raise the limit."
        )
    if unusable:
        log.warning("%s of %s files can't be used: %s", f"{len(unusable):,}", f"{total:,}", examples(unusable))
    rows = CollectedRows(scratch)
    return Collected(rows, np.array(by_content, bool), unusable, thumbnails, checked, reused, bytes_read)
