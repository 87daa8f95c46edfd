"""The ingest step: every image of a source decoded, checked and written to a Dataset."""

import contextlib
import dataclasses
import logging
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from graft.components.common import storage
from graft.components.common.dataset import INDEX, RECORD, SPLITS, TEST, TRAIN, VALIDATION, content_digest, shard_name
from graft.components.common.errors import GraftError
from graft.components.common.records import new_artifact, write_record
from graft.components.common.runs import Run
from graft.components.ingest.collecting import collect
from graft.components.ingest.config import IngestConfig
from graft.components.ingest.index import write_index
from graft.components.ingest.inputs import open_input
from graft.components.ingest.layout import Layout, printable
from graft.components.ingest.previous import Previous, keep_for_next
from graft.components.ingest.report import write_report
from graft.components.ingest.shards import Shards
from graft.components.ingest.splits import settle

if TYPE_CHECKING:
    import pyarrow as pa

log = logging.getLogger("graft")

REPORT = "report.html"


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
    """

    path: str
    digest: str
    counts: dict[str, dict[str, int]]
    excluded: int
    checked: int
    reused: int
    bytes_read: int

    @property
    def summary(self) -> str:
        """One line for people."""
        splits = ", ".join(f"{sum(classes.values()):,} {split}" for split, classes in self.counts.items())
        classes = ", ".join(next(iter(self.counts.values())))
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
    import pyarrow.compute as pc

    with new_artifact(output, RECORD), open_input(source, config) as (files, layout):
        earlier = Previous(previous, run.store) if previous else None
        with contextlib.ExitStack() as open_files:
            known = earlier.shards if earlier else []
            shards = Shards(output, config.shard_mebibytes * 2**20, open_files, run.store, known)
            collected = collect(files, layout, shards, earlier, config)
            entries = shards.close()
        settled = settle(collected.index, np.array(collected.by_content, bool), earlier, config)
        table = _settled_table(collected.index, settled.splits)
        _check_result(table, collected.unusable, settled.excluded, layout, config)
        used = sorted(set(table["shard"].to_pylist()))
        table = write_index(table, [shard_name(entry["uri"]) for entry in entries], output / INDEX)
        counts = _counts(table, layout.classes)
        excluded = [*collected.unusable, *settled.excluded]
        digest = content_digest(zip(*(table[name].to_pylist() for name in ("split", "label", "sha256")), strict=True))
        content = {
            "classes": layout.classes,
            "counts": counts,
            "digest": digest,
            "source": printable(storage.redact(source)),
            "source_digest": source_digest,
            "excluded": excluded,
            "duplicates": settled.duplicates,
            "fractions": settled.fractions,
            "warnings": settled.warnings,
            "converted": _conversions(table),
            "ignored": [printable(path) for path in layout.ignored],
            "columns": list(layout.columns),
            "settings": dataclasses.asdict(config),
            "checked": collected.checked,
            "reused": collected.reused,
            "shards": [entries[number] for number in used],
        }
        for warning in settled.warnings:
            log.warning("%s", warning)

        def image(path: str) -> bytes | None:
            number = pc.index(collected.index["path"], path).as_py()
            if number < 0:
                return None
            return shards.read(*(collected.index[name][number].as_py() for name in ("shard", "offset")))

        write_report(output / REPORT, content, table, image, collected.thumbnails)
        write_record(output / RECORD, content)
    if run.store:
        keep_for_next(output, run)
    return IngestResult(
        str(output), digest, counts, len(excluded), collected.checked, collected.reused, collected.bytes_read
    )


def _settled_table(table: "pa.Table", splits: "np.ndarray[Any, Any]") -> "pa.Table":
    import pyarrow as pa

    names = pa.array(SPLITS).take(pa.array(splits.clip(min=0)))
    return table.set_column(table.column_names.index("split"), "split", names).filter(pa.array(splits >= 0))


def _check_result(
    table: "pa.Table",
    unusable: list[dict[str, Any]],
    twins: list[dict[str, Any]],
    layout: Layout,
    config: IngestConfig,
) -> None:
    """Refuses a dataset with too many bad files, or without images of some class.

    Raises:
        GraftError: It is so.
    """
    total = len(layout.items)
    found = set(zip(table["split"].to_pylist(), table["label"].to_pylist(), strict=True))
    with_images = {label for _, label in found}
    for name in layout.classes:
        if name not in with_images:
            own = {printable(item.path) for item in layout.items if item.label == name}
            reasons = _examples([entry for entry in [*unusable, *twins] if entry["path"] in own])
            raise GraftError(f"Class {name!r} has no usable image: {reasons}. Mend them, or remove the class.")
    if len(unusable) > config.max_bad_fraction * total:
        raise GraftError(
            f"{len(unusable)} of {total} files can't be used, more than --max-bad-fraction {config.max_bad_fraction:g} allows: "
            f"{_examples(unusable)}. Mend or remove them, or raise the limit."
        )
    splits = {item.split for item in layout.items}
    if None in splits:
        splits |= {VALIDATION} | ({TEST} if config.test_fraction else set())
    splits = splits - {None} | {TRAIN}
    for split in sorted(splits, key=SPLITS.index):
        for name in layout.classes:
            if (split, name) not in found:
                raise GraftError(
                    f"Class {name!r} has no usable image in {split}: add some, or change --validation-fraction."
                )


def _examples(excluded: list[dict[str, Any]]) -> str:
    shown = "; ".join(f"{entry['path']!r} {entry['reason']}" for entry in excluded[:3])
    return shown + (" …" if len(excluded) > 3 else "")


def _counts(table: "pa.Table", classes: list[str]) -> dict[str, dict[str, int]]:
    counted = Counter(zip(table["split"].to_pylist(), table["label"].to_pylist(), strict=True))
    return {
        split: {name: counted[split, name] for name in classes}
        for split in SPLITS
        if any(row_split == split for row_split, _ in counted)
    }


def _conversions(table: "pa.Table") -> dict[str, int]:
    counted = Counter(name for names in table["conversions"].to_pylist() if names for name in names.split(","))
    return dict(sorted(counted.items()))
