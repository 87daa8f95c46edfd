"""The ingest step: every image of a source decoded, checked and written to a Dataset."""

import contextlib
import dataclasses
import logging
from collections.abc import Callable
from functools import partial
from pathlib import Path
from tempfile import TemporaryFile
from typing import TYPE_CHECKING

from graft.components.common import storage
from graft.components.common.artifacts.artifact import new_artifact
from graft.components.common.artifacts.dataset import INDEX, Dataset, LeftOutTwin, Unusable, content_digest
from graft.components.common.artifacts.lists.source_listing import SourceListing
from graft.components.common.artifacts.outcomes.results import IngestResult
from graft.components.common.progress import doing
from graft.components.common.runs.run import Run
from graft.components.ingest.config import IngestConfig
from graft.components.ingest.dataset.class_coverage import check_classes
from graft.components.ingest.dataset.collecting import Collected, collect
from graft.components.ingest.dataset.corrections import Corrections, read_corrections
from graft.components.ingest.dataset.image_writer import ImageWriter
from graft.components.ingest.dataset.index import (
    conversion_warnings,
    count_conversions,
    count_images,
    kept_labels,
    read_contents,
    shards_used,
    write_indexes,
)
from graft.components.ingest.dataset.previous_dataset import keep_for_next
from graft.components.ingest.dataset.shards import Shards
from graft.components.ingest.dataset.splits import SplitAssignment, assign_splits
from graft.components.ingest.kept.keeping import RowKeeper
from graft.components.ingest.kept.known_images import KnownImages
from graft.components.ingest.report.data_report import write_report
from graft.components.ingest.report.find_image import find_image
from graft.components.ingest.source.file_names import printable
from graft.components.ingest.source.layout import Layout
from graft.components.ingest.source.opening import open_source

if TYPE_CHECKING:
    import pyarrow as pa

log = logging.getLogger("graft")

REPORT = "report.html"


def ingest(
    source: str,
    output: Path,
    config: IngestConfig = IngestConfig(),  # noqa: B008 (frozen)
    source_digest: str = "",
    run: Run = Run(),  # noqa: B008
    previous: str = "",
) -> IngestResult:
    """Turns a folder or archive of images, or a list of them, into a Dataset.

    >>> result = ingest(source, folder / "dataset", IngestConfig(validation_fraction=0.4))
    >>> sorted(result.counts), sorted(result.counts["train"])
    (['train', 'validation'], ['cats', 'dogs'])
    >>> (folder / "dataset" / "report.html").is_file()
    True

    Args:
        source: Path or URI of a folder, zip, tar or tar.gz, or of a manifest (.csv, .jsonl); or a `.url` file that holds the URI.
        output: Directory for the Dataset; it must be empty or not exist.
        config: How images are split, checked and stored.
        source_digest: The digest of the source that `resolve` found, kept in the record. The listing that it left in the store under
            this digest is taken, so that the source isn't listed again.
        run: The run. If it has a store, the shards are kept there, by content, and what parts or a killed ingest of this name left
            there is not checked again.
        previous: Path or URI of an earlier Dataset. Its images stay in their splits. Those whose shards are in the store are not
            checked again.

    Raises:
        GraftError: The source can't be used; nothing is left in `output`.
    """
    doing("listing the source")
    source = storage.uri_in(source)
    corrections = read_corrections(config)
    listing = SourceListing.take(run.folder, source, source_digest) if run.store and source_digest else None
    with (
        contextlib.ExitStack() as held,
        new_artifact(output, Dataset.FILE),
        open_source(source, config, (str(output), run.store), listing) as (files, layout),
        TemporaryFile() as scratch,
    ):
        corrections.check_classes(layout.classes)
        known = KnownImages(previous, run, held)
        full = config.shard_mebibytes * 2**20
        keeper = held.enter_context(RowKeeper(run, full)) if run.store else None
        with Shards(output, full, run.store, known.shards, keeper.keep if keeper else None) as shards:
            writer = ImageWriter(shards, layout.classes, config, keeper)
            collected = collect(files, layout, writer, known, corrections, config, scratch)
        dataset = _write_dataset(output, (source, source_digest), layout, collected, known, shards, corrections, config)
        if run.store:
            keep_for_next(output, run)
        if keeper and not config.limit:  # a trial's dataset is not what the next run begins with: its rows are
            keeper.forget()
            known.forget(dataset.shards)
    return IngestResult(
        path=str(output),
        digest=dataset.digest,
        counts=dataset.counts,
        excluded=len(dataset.excluded),
        corrected=len(corrections.relabelled) + len(corrections.removed),
        checked=collected.checked,
        reused=collected.reused,
        bytes_read=collected.bytes_read,
        bytes_written=sum(shard.bytes for shard in known.new(dataset.shards)),
    )


def _write_dataset(
    output: Path,
    about: tuple[str, str],
    layout: Layout,
    collected: Collected,
    known: KnownImages,
    shards: Shards,
    corrections: Corrections,
    config: IngestConfig,
) -> Dataset:
    """Splits what was collected, and writes the indexes, the report and, last, the record, which it returns.

    Args:
        output: The Dataset's directory.
        about: The source, and the digest that `resolve` found.
        layout: Splits and classes of the source's files.
        collected: The images.
        known: What was known of them, of which an earlier Dataset's splits bind.
        shards: Where they are.
        corrections: What people say about them.
        config: The settings.

    Raises:
        GraftError: The settings refuse what was found, or a file can't be written.
    """
    doing("looking for twins, and splitting")
    assigned = assign_splits(collected.rows, collected.by_content, known.earlier, config)
    names = [shard.name for shard in shards.finished]
    indexes = write_indexes(collected.rows, assigned.splits, names, output)
    used = shards_used(*indexes)
    dataset = _describe(output, layout, collected, assigned, corrections, config, indexes[0])(
        source=printable(storage.redact(about[0])),
        source_digest=about[1],
        shards=[shard for shard in shards.finished if shard.name in used],
    )
    doing("drawing the data report")
    find = partial(find_image, shards=shards, indexes=indexes)
    write_report(output / REPORT, dataset, indexes[0], find, collected.thumbnails)
    dataset.write(output)
    return dataset


def _describe(
    output: Path,
    layout: Layout,
    collected: Collected,
    assigned: SplitAssignment,
    corrections: Corrections,
    config: IngestConfig,
    index: "pa.Table",
) -> Callable[..., Dataset]:
    """Returns the record of what was collected, but for what is to be added; and says its warnings.

    Args:
        output: The Dataset's directory, with both indexes.
        layout: Splits and classes of the source's files.
        collected: The images.
        assigned: Their splits.
        corrections: What people say about them.
        config: The settings.
        index: The index, as `write_indexes` returns it.
    """
    excluded: list[Unusable | LeftOutTwin] = [*collected.unusable, *corrections.removed, *assigned.excluded]
    counts = count_images(index, layout.classes)
    warnings = layout.warnings + assigned.warnings + check_classes(counts, layout, config, excluded)
    warnings += conversion_warnings(index) + corrections.warnings()
    for warning in warnings:
        log.warning("%s", warning)
    return partial(
        Dataset,
        classes=layout.classes,
        counts=counts,
        digest=content_digest(read_contents(output / INDEX), kept_labels(output / INDEX)),
        excluded=excluded,
        duplicates=assigned.duplicates,
        fractions=assigned.fractions,
        warnings=warnings,
        converted=count_conversions(index),
        ignored=[printable(path) for path in layout.ignored],
        passed_over=layout.passed_over,
        corrections=corrections.applied,
        relabelled=corrections.relabelled,
        columns=layout.columns,
        settings=dataclasses.asdict(config) | {"corrections": printable(storage.redact(config.corrections))},
        checked=collected.checked,
        reused=collected.reused,
    )
