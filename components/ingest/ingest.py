"""The ingest step: every image of a source decoded, checked and written to a Dataset."""

import contextlib
import dataclasses
import os
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path
from typing import Any

from graft.components.common import storage
from graft.components.common.dataset import INDEX, RECORD, SPLITS, TRAIN, VALIDATION, content_digest
from graft.components.common.errors import GraftError
from graft.components.common.progress import progress
from graft.components.common.records import new_artifact, write_record
from graft.components.ingest.config import IngestConfig
from graft.components.ingest.images import BadImageError, CheckedImage, check_image
from graft.components.ingest.layout import Item, Layout, printable, read_layout
from graft.components.ingest.shards import Shards
from graft.components.ingest.source import Source, UnreadableFileError, open_source

_IMAGES_IN_FLIGHT = 64
_INDEX_COLUMNS = ("sha256", "path", "split", "label", "width", "height", "brightness", "phash", "shard")
_HASH_DIGITS = 15


@dataclasses.dataclass(frozen=True)
class IngestResult:
    """What ingest made.

    Attributes:
        path: The Dataset's directory.
        digest: Its content digest.
        counts: Images by split and class.
        excluded: How many files were left out.
    """

    path: str
    digest: str
    counts: dict[str, dict[str, int]]
    excluded: int

    @property
    def summary(self) -> str:
        """One line for people."""
        splits = ", ".join(f"{sum(classes.values()):,} {split}" for split, classes in self.counts.items())
        classes = ", ".join(next(iter(self.counts.values())))
        return f"{splits} images of {classes}" + (f"; {self.excluded} files excluded" if self.excluded else "")


def ingest(source: str, output: Path, config: IngestConfig = IngestConfig(), source_digest: str = "") -> IngestResult:  # noqa: B008 (frozen)
    """Turns a folder or archive of images into a Dataset.

    Args:
        source: Path or URI of a folder, zip, tar or tar.gz.
        output: Directory for the Dataset; it must be empty or not exist.
        config: The step's settings.
        source_digest: What `resolve` found, kept in the record.

    Returns:
        Where the Dataset is and what it holds.

    Raises:
        GraftError: The source can't be used; nothing is left in `output`.
    """
    with new_artifact(output, RECORD), open_source(source, config.sha256) as files:
        layout = read_layout(files.paths())
        with contextlib.ExitStack() as open_files:
            shards = Shards(output, config.shard_mebibytes * 2**20, open_files)
            rows, excluded, converted = _write_images(files, layout, shards, config)
        _check_result(rows, excluded, layout, config)
        digest = content_digest((row["split"], row["label"], row["sha256"]) for row in rows)
        _write_index(rows, output / INDEX)
        counts = _counts(rows, layout.classes)
        write_record(
            output / RECORD,
            {
                "classes": layout.classes,
                "counts": counts,
                "digest": digest,
                "source": printable(storage.redact(source)),
                "source_digest": source_digest,
                "excluded": excluded,
                "converted": dict(sorted(converted.items())),
                "ignored": [printable(path) for path in layout.ignored],
                "settings": dataclasses.asdict(config),
                "shards": shards.table(),
            },
        )
    return IngestResult(str(output), digest, counts, len(excluded))


def _write_images(
    files: Source, layout: Layout, shards: Shards, config: IngestConfig
) -> tuple[list[dict[str, Any]], list[dict[str, str]], Counter[str]]:
    """Checks all images on all cores and writes the good ones in the order of their paths."""
    rows: list[dict[str, Any]] = []
    excluded: list[dict[str, str]] = []
    converted: Counter[str] = Counter()
    for item, checked in _check_all(files, layout.items):
        path = printable(item.path)
        if isinstance(checked, str):
            excluded.append({"path": path, "reason": checked})
            continue
        converted.update(checked.conversions)
        split = item.split or _split_by_hash(checked.sha256, config.validation_fraction)
        shard = shards.write(split, layout.classes.index(item.label), item.label, path, checked)
        values = (
            checked.sha256,
            path,
            split,
            item.label,
            checked.width,
            checked.height,
            checked.brightness,
            checked.phash,
            shard,
        )
        rows.append(dict(zip(_INDEX_COLUMNS, values, strict=True)))
    return rows, excluded, converted


def _check_all(files: Source, items: list[Item]) -> Iterator[tuple[Item, CheckedImage | str]]:
    """Yields every item with its image, or with the reason why it has none, in order.

    Threads suffice: Pillow and hashlib let go of Python's lock while they work.
    """

    def check(item: Item) -> CheckedImage | str:
        try:
            return check_image(files.read(item.path))
        except (BadImageError, UnreadableFileError) as error:
            return str(error)

    remaining = iter(items)
    with ThreadPoolExecutor(os.cpu_count()) as threads, progress("checking images", len(items)) as advance:
        while batch := list(islice(remaining, _IMAGES_IN_FLIGHT)):
            yield from zip(batch, threads.map(check, batch), strict=True)
            advance(len(batch))


def _split_by_hash(sha256: str, validation_fraction: float) -> str:
    """Assigns an image by its content alone, so that other images coming or going never move it."""
    return VALIDATION if int(sha256[:_HASH_DIGITS], 16) < validation_fraction * 16**_HASH_DIGITS else TRAIN


def _check_result(
    rows: list[dict[str, Any]], excluded: list[dict[str, str]], layout: Layout, config: IngestConfig
) -> None:
    """Refuses a dataset with too many bad files, or without images of some class.

    Raises:
        GraftError: It is so.
    """
    total = len(layout.items)
    found = {(row["split"], row["label"]) for row in rows}
    with_images = {label for _, label in found}
    for name in layout.classes:
        if name not in with_images:
            own = {printable(item.path) for item in layout.items if item.label == name}
            reasons = _examples([entry for entry in excluded if entry["path"] in own])
            raise GraftError(f"Class {name!r} has no readable image: {reasons}. Mend them, or remove the class.")
    if len(excluded) > config.max_bad_fraction * total:
        raise GraftError(
            f"{len(excluded)} of {total} files can't be used, more than --max-bad-fraction {config.max_bad_fraction:g} allows: "
            f"{_examples(excluded)}. Mend or remove them, or raise the limit."
        )
    splits = {item.split or VALIDATION for item in layout.items} | {TRAIN}
    for split in sorted(splits, key=SPLITS.index):
        for name in layout.classes:
            if (split, name) not in found:
                raise GraftError(
                    f"Class {name!r} has no readable image in {split}: add some, or change --validation-fraction."
                )


def _examples(excluded: list[dict[str, str]]) -> str:
    shown = "; ".join(f"{entry['path']!r} {entry['reason']}" for entry in excluded[:3])
    return shown + (" …" if len(excluded) > 3 else "")


def _counts(rows: list[dict[str, Any]], classes: list[str]) -> dict[str, dict[str, int]]:
    counted = Counter((row["split"], row["label"]) for row in rows)
    return {
        split: {name: counted[split, name] for name in classes}
        for split in SPLITS
        if any(row_split == split for row_split, _ in counted)
    }


def _write_index(rows: list[dict[str, Any]], path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    types = {"width": pa.int32(), "height": pa.int32(), "brightness": pa.float32()}
    schema = pa.schema([(name, types.get(name, pa.string())) for name in _INDEX_COLUMNS])
    ordered = sorted(rows, key=lambda row: SPLITS.index(row["split"]))
    pq.write_table(pa.Table.from_pylist(ordered, schema=schema), path)
