"""The data report: one self-contained HTML page that shows what a dataset holds and what was left out."""

import base64
import platform
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import version
from pathlib import Path, PurePosixPath
from typing import Any

from graft.components.common.artifacts.dataset import WHOLE_LISTS, Dataset, TwinPair
from graft.components.common.artifacts.lists.whole_lists import MOST
from graft.components.common.compute.machine import cores
from graft.components.common.pages.rendering import render_page, shorten
from graft.components.common.progress import progress
from graft.components.ingest.images.thumbnails import MAX_PICTURED, thumbnail
from graft.components.ingest.report.histograms import histograms

# What a page can show and still open on a phone.
MAX_CLASSES = 20
SAMPLES = 12
MAX_PAIRS = 200
# Longer lists are folded.
MAX_OPEN = 24
_PICTURES_IN_FLIGHT = 64
_LIBRARIES = ("graft", "matplotlib", "pillow", "scipy", "numpy", "pyarrow")
_NAME_LENGTH = 32


def write_report(
    path: Path,
    dataset: Dataset,
    index: Any,
    image: Callable[[str], bytes | None],
    broken: Mapping[str, bytes],
) -> None:
    """Writes the data report.

    Args:
        path: The page's file.
        dataset: What is known of the dataset.
        index: The dataset's index, a `pyarrow.Table`, with the column `order` of `sample_order`.
        image: Returns the encoded bytes of an image of the dataset or of one left out for its twin, by path; None if there
            are none. It is called from one thread.
        broken: Thumbnails of files that can't be decoded in full, by path.
    """
    samples = _samples(index, dataset.classes[:MAX_CLASSES])
    pairs = sorted(dataset.duplicates, key=_gravity)
    excluded = dataset.excluded
    wanted = dict.fromkeys(
        [
            *(sample["path"] for chosen in samples.values() for sample in chosen),
            *(path for pair in pairs[:MAX_PAIRS] for path in (pair.path, pair.twin)),
            *(entry.path for entry in dataset.relabelled[:MAX_PAIRS]),
            *(entry.path for entry in excluded[:MAX_PICTURED]),
        ]
    )
    pictures = {name: _data_uri(content) for name, content in broken.items() if name in wanted}
    pictures |= _draw([name for name in wanted if name not in pictures], image)
    values = {
        "record": dataset,
        "rows": _rows(dataset),
        "charts_drawn": [histogram.draw() for histogram in histograms(index, list(dataset.counts))],
        "samples": samples,
        "pairs": pairs,
        "two_labels": sum(pair.label != pair.twin_label for pair in pairs),
        "wrong_labels": sum(pair.label != pair.twin_label and pair.identical for pair in pairs),
        "two_splits": sum(pair.split != pair.twin_split for pair in pairs),
        "pictures": pictures,
        "at_most": {
            "classes": MAX_CLASSES,
            "samples": SAMPLES,
            "pairs": MAX_PAIRS,
            "pictured": MAX_PICTURED,
            "open": MAX_OPEN,
            "listed": MOST,
            "file": WHOLE_LISTS,
        },
        "versions": {"Python": platform.python_version()} | {name: version(name) for name in _LIBRARIES},
    }
    path.write_text(render_page("graft.components.ingest.report", "data_report.html.j2", values), encoding="utf-8")


def _rows(dataset: Dataset) -> list[dict[str, Any]]:
    """Returns a row of the table of counts for every class."""
    counts = dataset.counts
    totals = {name: sum(classes[name] for classes in counts.values()) for name in dataset.classes}
    images, largest = max(1, sum(totals.values())), max(1, *totals.values())
    return [
        {
            "name": name,
            "counts": {split: classes[name] for split, classes in counts.items()},
            "total": total,
            "share": total / images,
            "lengths": {split: classes[name] / largest for split, classes in counts.items()},
        }
        for name, total in totals.items()
    ]


def _samples(index: Any, classes: Iterable[str]) -> dict[str, list[dict[str, str]]]:
    import pyarrow as pa
    import pyarrow.compute as pc

    columns = index.select(["path", "split"])
    chosen = {}
    for name in classes:
        rows = pc.indices_nonzero(pc.equal(index["label"], name))
        keys = pa.table({"order": index["order"].take(rows), "row": rows})
        first = pc.select_k_unstable(keys, SAMPLES, [("order", "ascending"), ("row", "ascending")])
        chosen[name] = [
            {"path": row["path"], "split": row["split"], "name": shorten(PurePosixPath(row["path"]).name, _NAME_LENGTH)}
            for row in columns.take(rows.take(first)).to_pylist()
        ]
    return chosen


def _gravity(pair: TwinPair) -> tuple[bool, bool, int, str, str]:
    """Orders pairs by how much they matter: two labels for one picture may be an error, two splits make results look better."""
    return (
        pair.label == pair.twin_label,
        pair.split == pair.twin_split,
        pair.distance,
        pair.path,
        pair.twin,
    )


def _draw(names: Sequence[str], image: Callable[[str], bytes | None]) -> dict[str, str]:
    """Returns thumbnails as data URIs by path, of those images that there are."""
    pictures = {}
    with ThreadPoolExecutor(cores()) as threads, progress("drawing the data report", len(names)) as advance:
        for start in range(0, len(names), _PICTURES_IN_FLIGHT):
            batch = names[start : start + _PICTURES_IN_FLIGHT]
            contents = {name: content for name in batch if (content := image(name))}
            for name, picture in zip(contents, threads.map(thumbnail, contents.values()), strict=True):
                if picture:
                    pictures[name] = _data_uri(picture)
            advance(len(batch))
    return pictures


def _data_uri(jpeg: bytes) -> str:
    return f"data:image/jpeg;base64,{base64.b64encode(jpeg).decode()}"
