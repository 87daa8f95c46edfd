"""The ingest step: every image of a source decoded, checked and written to a Dataset."""

import contextlib
import dataclasses
import logging
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryFile
from typing import TYPE_CHECKING, Any

import numpy as np

from graft.components.common import storage
from graft.components.common.artifacts.dataset import (
    INDEX,
    LEFT_OUT,
    RECORD,
    SPLITS,
    TEST,
    TRAIN,
    VALIDATION,
    shard_name,
)
from graft.components.common.artifacts.digest import content_digest
from graft.components.common.artifacts.records import new_artifact, write_record
from graft.components.common.errors import GraftError
from graft.components.common.runs.step_record import Run
from graft.components.ingest.config import IngestConfig
from graft.components.ingest.dataset.collected_rows import CollectedRows
from graft.components.ingest.dataset.collecting import Collected, collect
from graft.components.ingest.dataset.index import count_rows, write_index
from graft.components.ingest.dataset.previous_dataset import PreviousDataset, keep_for_next
from graft.components.ingest.dataset.shards import Shards
from graft.components.ingest.dataset.splits import SplitAssignment, assign_splits
from graft.components.ingest.report.data_report import sample_order, write_report
from graft.components.ingest.report.images_by_path import ImagesByPath
from graft.components.ingest.source.layout import Layout, listed, printable
from graft.components.ingest.source.opening import open_source

if TYPE_CHECKING:
    import pyarrow as pa

log = logging.getLogger("graft")

REPORT = "report.html"
_ROWS_AT_ONCE = 1024
_REMEDY = (
    "add some, change --validation-fraction or --test-fraction, or, if an earlier dataset binds the splits, ingest without it "
    "or under another --name"
)
_REPEATED = ["split", "label", "conversions", "shard"]
_REPORTED = ["path", "width", "height", "brightness", "offset", *_REPEATED]


@dataclasses.dataclass(frozen=True)
class IngestResult:
    """What ingest made.

    Attributes:
        path: The Dataset's directory.
        digest: Its content digest.
        counts: Images by split and class.
        excluded: How many files were left out.
        checked: How many images were read, decoded and checked.
        reused: How many were not, an earlier dataset having the same ones.
        bytes_read: How many bytes of images were read.
        bytes_written: How many bytes of shards were written.
    """

    path: str
    digest: str
    counts: dict[str, dict[str, int]]
    excluded: int
    checked: int
    reused: int
    bytes_read: int
    bytes_written: int

    @property
    def summary(self) -> str:
        """One line for people."""
        splits = ", ".join(f"{sum(classes.values()):,} {split}" for split, classes in self.counts.items())
        classes = listed(next(iter(self.counts.values())))
        excluded = f"; {self.excluded:,} files excluded" if self.excluded else ""
        reused = f"; {self.checked:,} of them new" if self.reused else ""
        return f"{splits} images of {classes}{excluded}{reused}"


def ingest(
    source: str,
    output: Path,
    config: IngestConfig = IngestConfig(),  # noqa: B008 (frozen)
    source_digest: str = "",
    run: Run = Run(),  # noqa: B008
    previous: str = "",
) -> IngestResult:
    """Turns a folder or archive of images, or a list of them, into a Dataset.

    Args:
        source: Path or URI of a folder, zip, tar or tar.gz, or of a manifest (.csv, .jsonl).
        output: Directory for the Dataset; it must be empty or not exist.
        config: The step's settings.
        source_digest: What `resolve` found, kept in the record.
        run: The run; in its store, if it has one, the shards are kept, by content.
        previous: Path or URI of an earlier Dataset. Images that it has stay in their split, and if its shards are in the store,
            are not checked again.

    Returns:
        Where the Dataset is and what it holds.

    Raises:
        GraftError: The source can't be used; nothing is left in `output`.
    """
    with (
        _memory_given_back(),
        new_artifact(output, RECORD),
        open_source(source, config) as (files, layout),
        TemporaryFile() as scratch,
    ):
        earlier = PreviousDataset(previous, run.store) if previous else None
        splits = _expected_splits(layout, config)
        with contextlib.ExitStack() as open_files:
            known = earlier.shards if earlier else []
            shards = Shards(output, config.shard_mebibytes * 2**20, open_files, run.store, known)
            collected = collect(files, layout, shards, earlier, config, scratch)
            entries = shards.close()
        _check_usable(collected, config)
        settled = assign_splits(collected.rows, np.array(collected.by_content, bool), earlier, config)
        names = [shard_name(entry["uri"]) for entry in entries]
        pictures = ImagesByPath(shards, names, collected.rows, settled.splits)
        table = pictures.index = _write_indexes(collected.rows, settled, names, output)
        counted = count_rows(table)
        excluded = [*collected.unusable, *settled.excluded]
        warnings = settled.warnings + _check_classes(counted, layout, splits, excluded)
        for warning in warnings:
            log.warning("%s", warning)
        used = {*_unique(table, "shard"), *(names[shard] for shard, _ in pictures.left_out.values())}
        content: dict[str, Any] = {
            "classes": layout.classes,
            "counts": _counts(counted, layout.classes),
            "digest": content_digest(_contents(output / INDEX)),
            "source": printable(storage.redact(source)),
            "source_digest": source_digest,
            "excluded": excluded,
            "duplicates": settled.duplicates,
            "fractions": settled.fractions,
            "warnings": warnings,
            "converted": _conversions(table),
            "ignored": [printable(path) for path in layout.ignored],
            "columns": list(layout.columns),
            "settings": dataclasses.asdict(config),
            "checked": collected.checked,
            "reused": collected.reused,
            "shards": [entry for entry, name in zip(entries, names, strict=True) if name in used],
        }
        write_report(output / REPORT, content, table, pictures.find, collected.thumbnails)
        write_record(output / RECORD, content)
    if run.store:
        keep_for_next(output, run)
    written = sum(entry["bytes"] for entry in entries[len(known) :])
    amounts = (len(excluded), collected.checked, collected.reused, collected.bytes_read, written)
    return IngestResult(str(output), content["digest"], content["counts"], *amounts)


@contextlib.contextmanager
def _memory_given_back() -> Iterator[None]:
    """Has Arrow return what it is done with: its own allocator keeps about 40 MiB."""
    import pyarrow as pa

    before = pa.default_memory_pool()
    pa.set_memory_pool(pa.system_memory_pool())
    try:
        yield
    finally:
        pa.set_memory_pool(before)


def _write_indexes(rows: CollectedRows, settled: SplitAssignment, names: list[str], output: Path) -> "pa.Table":
    """Writes both indexes and returns what the report needs of the first."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    write_index(rows, settled.splits, names, output / INDEX)
    write_index(rows, settled.splits, names, output / LEFT_OUT, left_out=True)
    with pq.ParquetFile(output / INDEX, read_dictionary=_REPEATED, pre_buffer=False) as index:
        table = index.read(_REPORTED, use_threads=False).unify_dictionaries()
        digests = index.iter_batches(_ROWS_AT_ONCE, columns=["sha256"], use_threads=False)
        orders = [sample_order(batch["sha256"]) for batch in digests]
    return table.append_column("order", pa.chunked_array(orders, pa.uint64()))


def _counts(counted: dict[tuple[str, str], int], classes: list[str]) -> dict[str, dict[str, int]]:
    found = {split for split, _ in counted}
    return {split: {name: counted.get((split, name), 0) for name in classes} for split in SPLITS if split in found}


def _unique(table: "pa.Table", column: str) -> list[str]:
    import pyarrow.compute as pc

    return list(pc.unique(table[column]).to_pylist())


def _contents(index: Path) -> Iterator[tuple[str, str, str]]:
    import pyarrow.parquet as pq

    with pq.ParquetFile(index, pre_buffer=False) as file:
        for batch in file.iter_batches(_ROWS_AT_ONCE, columns=["split", "label", "sha256"], use_threads=False):
            yield from zip(*(column.to_pylist() for column in batch.columns), strict=True)


def _expected_splits(layout: Layout, config: IngestConfig) -> list[str]:
    splits = layout.images.splits
    if None in splits:
        splits |= {VALIDATION} | ({TEST} if config.test_fraction else set())
    return [split for split in SPLITS if split in splits or split == TRAIN]


def _check_usable(collected: Collected, config: IngestConfig) -> None:
    """Refuses a source with too many files that are no usable images.

    Raises:
        GraftError: It is one.
    """
    unusable, total = collected.unusable, len(collected.unusable) + len(collected.by_content)
    if len(unusable) > config.max_bad_fraction * total:
        raise GraftError(
            f"{len(unusable)} of {total} files can't be used, more than --max-bad-fraction {config.max_bad_fraction:g} allows: "
            f"{_examples(unusable)}. Mend or remove them, or raise the limit."
        )


def _check_classes(
    found: dict[tuple[str, str], int], layout: Layout, splits: list[str], excluded: list[dict[str, Any]]
) -> list[str]:
    """Refuses a dataset without images of some class to train on or, where the source says which split they are in, to judge by.

    Returns:
        Warnings of the classes that content, by luck, leaves without an image to judge them by.

    Raises:
        GraftError: It is one.
    """
    for name in layout.classes:
        if not any(label == name for _, label in found):
            reasons = _examples([entry for entry in excluded if entry["label"] == name])
            raise GraftError(f"Class {name!r} has no usable image: {reasons}. Mend them, or remove the class.")
    kinds = set(layout.images.kinds)
    warnings = []
    for split in splits:
        missing = [name for name in layout.classes if (split, name) not in found]
        if len(missing) == len(layout.classes):
            raise GraftError(f"No usable image at all is in {split}{_examples(excluded, ' ({})')}: {_REMEDY}.")
        for name in missing:
            by_luck = split != TRAIN and (None, name) in kinds and (split, name) not in kinds
            if not by_luck or len(missing) > len(layout.classes) - 2:
                own = [entry for entry in excluded if entry["label"] == name]
                raise GraftError(f"Class {name!r} has no usable image in {split}{_examples(own, ' ({})')}: {_REMEDY}.")
            warnings.append(
                f"Class {name!r} has no image in {split}: there are no figures of it there, and a gate's rule on every class fails."
            )
    return warnings


def _examples(excluded: list[dict[str, Any]], form: str = "{}") -> str:
    """Returns a few paths with their reasons, in a form of words; nothing if there are none."""
    shown = "; ".join(f"{entry['path']!r} {entry['reason']}" for entry in excluded[:3])
    return form.format(shown + (" …" if len(excluded) > 3 else "")) if excluded else ""


def _conversions(table: "pa.Table") -> dict[str, int]:
    import pyarrow.compute as pc

    counted: Counter[str] = Counter()
    for combination in pc.value_counts(table["conversions"].combine_chunks()).to_pylist():
        for name in filter(None, combination["values"].split(",")):
            counted[name] += combination["counts"]
    return dict(sorted(counted.items()))
