"""Times what ingest and evaluate do with 100,000 and with a million images beside reading them: python tests/bench/scale.py

The rows are synthetic (`synthetic.py`); what works on them are the product's own functions. Each size runs in a process of its own, whose
peak of memory is measured with it. All is measured in turn several times: the least seconds are the ones that other work on the machine
has added least to, and the most bytes and wrong pairs count.
"""

import argparse
import contextlib
import dataclasses
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import synthetic

from graft.components.common.artifacts.dataset import INDEX, TRAIN, Dataset, Shard, content_digest
from graft.components.evaluate.metrics import compute_metrics
from graft.components.evaluate.slices import COLUMNS, make_slices
from graft.components.ingest.config import IngestConfig
from graft.components.ingest.dataset.collected_rows import CollectedRows, RowWriter
from graft.components.ingest.dataset.index import (
    count_conversions,
    count_images,
    read_contents,
    shards_used,
    write_indexes,
)
from graft.components.ingest.dataset.previous_dataset import PreviousDataset
from graft.components.ingest.dataset.splits import assign_splits, split_by_content
from graft.components.ingest.source.folder_layout import read_layout

SIZES = (100_000, 1_000_000)
ROUNDS = 3
CONFIG = IngestConfig(validation_fraction=0.2)

REST = ("plan", "index", "digest", "join", "reduce")

Figures = dict[str, float]


class Clock:
    """Adds up seconds and CPU seconds by part."""

    def __init__(self) -> None:
        self.figures: Figures = {}

    @contextlib.contextmanager
    def part(self, name: str) -> Iterator[None]:
        wall, cpu = time.monotonic(), time.process_time()
        yield
        for unit, since in (("seconds", time.monotonic() - wall), ("cpu_seconds", time.process_time() - cpu)):
            self.figures[f"{name}_{unit}"] = self.figures.get(f"{name}_{unit}", 0) + since


def measure(count: int, folder: Path) -> Figures:
    """Runs all parts on so many rows.

    Args:
        count: How many.
        folder: An empty folder for what is written.

    Returns:
        Seconds and CPU seconds of each part, `rest` being all but the twins; how many of the planted pairs were missed, and how many others
        were found.
    """
    clock = Clock()
    store, output = folder / "store", folder / "dataset"
    output.mkdir()
    with clock.part("plan"):
        layout = read_layout(synthetic.paths(count))
    with (folder / "rows").open("w+b") as scratch:
        with RowWriter(scratch) as writer:
            for batch in synthetic.rows(count):
                with clock.part("plan"):
                    batch = [dataclasses.replace(row, split=split_by_content(row.sha256, CONFIG)) for row in batch]
                with clock.part("index"):
                    for row in batch:
                        writer.add(row)
        rows = CollectedRows(scratch)
        with clock.part("twins"):
            assigned = assign_splits(rows, np.ones(len(layout.images), bool), None, CONFIG)
        found = {frozenset((pair.path, pair.twin)) for pair in assigned.duplicates}
        true = synthetic.planted(count)
        clock.figures |= {"missed_pairs": len(true - found), "false_pairs": len(found - true)}
        shards = _store_shards(store, -(-count // synthetic.SHARD_IMAGES))
        with clock.part("index"):
            index, left_out = write_indexes(rows, assigned.splits, [shard.name for shard in shards], output)
            counts, converted = count_images(index, layout.classes), count_conversions(index)
            used = shards_used(index, left_out)
    with clock.part("digest"):
        digest = content_digest(read_contents(output / INDEX))
    dataset = Dataset(
        classes=tuple(layout.classes),
        counts=counts,
        digest=digest,
        source="synthetic",
        source_digest="",
        excluded=tuple(assigned.excluded),
        duplicates=tuple(assigned.duplicates),
        fractions=assigned.fractions,
        warnings=(),
        converted=converted,
        ignored=(),
        columns=(),
        settings={},
        checked=count,
        reused=0,
        shards=tuple(shard for shard in shards if shard.name in used),
    )
    dataset.write(output)
    del layout, rows, assigned, index, left_out
    _join(output, store, count, clock)
    with clock.part("reduce"):
        shown = Dataset.load(output).index(TRAIN, list(COLUMNS))
        probabilities, labels = synthetic.predictions(count)
        right = probabilities.argmax(axis=1) == labels
        compute_metrics(probabilities, labels, synthetic.CLASSES)
        make_slices(shown, right[: len(shown["path"])], [])
    for unit in ("seconds", "cpu_seconds"):
        clock.figures[f"rest_{unit}"] = sum(clock.figures[f"{part}_{unit}"] for part in REST)
    return clock.figures


def _store_shards(store: Path, count: int) -> list[Shard]:
    """Writes files to a store that stand for shards, and returns what a dataset says of them."""
    folder = store / "shards"
    folder.mkdir(parents=True)
    shards = []
    for number in range(count):
        file = folder / f"{number:05}.tfrecord"
        file.write_bytes(b"0")
        shards.append(Shard(uri=str(file), images=synthetic.SHARD_IMAGES, bytes=1, sha256="0" * 64))
    return shards


def _join(dataset: Path, store: Path, count: int, clock: Clock) -> None:
    """Looks all rows up in the dataset that was made of them. Of every tenth file the version has changed, and the content has not."""
    known = 0
    with contextlib.ExitStack() as held:
        with clock.part("join"):
            previous = PreviousDataset(str(dataset), str(store), held)
        for batch in synthetic.rows(count):
            with clock.part("join"):
                for number, row in enumerate(batch):
                    version = "" if number % 10 == 0 else row.version
                    row = previous.unchanged(row.path, version) or previous.same_content(row.path, row.sha256)
                    known += row is not None and previous.split(row.sha256) is not None
    if known < count - 2 * synthetic.PLANTED:  # what was left out as a twin has no split
        raise SystemExit(f"only {known} of {count} rows were found again")


def main() -> None:
    """Prints the figures and writes runs/bench/scale.json."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, help="measure so many rows in this process, and print the figures as JSON")
    rows = parser.parse_args().rows
    if rows:
        with tempfile.TemporaryDirectory() as folder:
            figures = measure(rows, Path(folder))
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
        print(json.dumps({name: round(figure, 3) for name, figure in figures.items()} | {"peak_bytes": peak}))
        return
    rounds = [{str(size): _measure_apart(size) for size in SIZES} for _ in range(ROUNDS)]
    results = {size: _summary([done[size] for done in rounds]) for size in rounds[0]}
    few, many = (results[str(size)] for size in SIZES)
    print(f"{'':20} {SIZES[0]:>12,} {SIZES[1]:>12,}        ratio")
    for name, figure in few.items():
        print(f"{name:20} {figure:12,.10g} {many[name]:12,.10g} {many[name] / figure if figure else 0:12.1f}")
    output = Path("runs/bench/scale.json")
    output.parent.mkdir(parents=True, exist_ok=True)
    output.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")
    print(f"written to {output}")


def _measure_apart(size: int) -> Figures:
    """Returns the figures of so many rows, measured in a process of their own."""
    done = subprocess.run([sys.executable, __file__, "--rows", str(size)], check=True, stdout=subprocess.PIPE)
    return dict(json.loads(done.stdout))


def _summary(rounds: list[Figures]) -> Figures:
    """Returns the least seconds of all rounds, and the most of what else there is."""
    return {name: (min if name.endswith("seconds") else max)(done[name] for done in rounds) for name in rounds[0]}


if __name__ == "__main__":
    main()
