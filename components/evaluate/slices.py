"""Accuracy on parts of the evaluated images: a good mean may hide a class, a camera or a lighting that goes wrong."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from graft.components.common.artifacts.evaluation import Slice
from graft.components.evaluate.metrics import wilson_interval

Array = np.ndarray[Any, Any]

KINDS = ("class", "size", "brightness", "folder")
"""What images are always cut by; no column can be called so."""

MAX_VALUES = 50
"""Of a column with more values, the rarer ones are one slice."""

OTHERS, NOTHING = "(others)", "(nothing)"
COLUMNS = ("path", "label", "width", "height", "brightness")
"""What every index has of what slices are made from."""


def make_slices(index: Mapping[str, Sequence[Any]], right: Array, columns: Sequence[str]) -> list[Slice]:
    """Computes accuracy by class, image size, brightness, source folder and further columns.

    Sizes and brightness are cut into thirds of the images. Folders count only where they say more than the class.

    Args:
        index: The index's columns of the evaluated images, `COLUMNS` and those of `columns`.
        right: bool [N], whether the model has an image right.
        columns: Names of further columns.
    """
    longer = np.maximum(index["width"], index["height"])
    folders = [path.rpartition("/")[0] for path in index["path"]]
    slices = [
        *_slices("class", index["label"], sorted(set(index["label"])), right),
        *_slices("size", *_thirds(longer, " px"), right),
        *_slices("brightness", *_thirds(np.round(index["brightness"]).astype(int), " of 255"), right),
    ]
    if len(set(zip(folders, index["label"], strict=True))) > len(set(index["label"])):
        slices += _slices("folder", folders, sorted(set(folders)), right)
    for name in dict.fromkeys(columns):
        values = [value or NOTHING for value in index[name]]
        slices += _slices(name, values, sorted(set(values)), right)
    return slices


def _thirds(values: Array, unit: str) -> tuple[list[str], list[str]]:
    """Names the third of all images that each is in, and all thirds in order; where many are alike there are fewer."""
    edges = sorted({int(edge) for edge in np.quantile(values, (1 / 3, 2 / 3), method="lower")} | {int(values.max())})
    starts = [int(values.min()), *(edge + 1 for edge in edges[:-1])]
    names = [
        f"{low:,}–{high:,}{unit}" if low < high else f"{low:,}{unit}" for low, high in zip(starts, edges, strict=True)
    ]
    return [names[number] for number in np.searchsorted(edges, values)], names


def _slices(by: str, values: Sequence[str], order: Sequence[str], right: Array) -> list[Slice]:
    counted = Counter(values)
    if len(counted) > MAX_VALUES:
        kept = {value for value, _ in counted.most_common(MAX_VALUES - 1)}
        values = [value if value in kept else OTHERS for value in values]
        order = [*(value for value in order if value in kept and value != OTHERS), OTHERS]
    named = np.array(values, object)
    counts = {value: (int(right[named == value].sum()), int((named == value).sum())) for value in order}
    return [
        Slice(by=by, value=value, images=images, accuracy=hits / images, interval=wilson_interval(hits, images))
        for value, (hits, images) in counts.items()
    ]
