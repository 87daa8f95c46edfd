"""Looking for labels that are probably wrong, in every split whose features are known."""

import dataclasses
from collections import Counter
from typing import Any

import numpy as np

from graft.components.common.artifacts.dataset import Dataset
from graft.components.common.artifacts.lists.labels_list import CheckedSplit, LabelCheck, ListedLabel
from graft.components.common.compute.likeness.pictures import deal_folds
from graft.components.common.compute.scratch_array import scratch_array
from graft.components.evaluate.labels.confident_learning import find_suspects
from graft.components.evaluate.labels.known_features import Known
from graft.components.evaluate.labels.neighbours import nearest
from graft.components.evaluate.labels.out_of_fold import FOLDS, out_of_fold

LEAST = 20
"""With fewer different pictures whose features are known, a class's labels are not judged."""
MOST_SHOWN, NEIGHBOURS = 24, 3
"""Of so many suspected images, so many neighbours are found, for the report."""

_AT_ONCE = 4_096

Array = np.ndarray[Any, Any]


@dataclasses.dataclass(frozen=True)
class Place:
    """Where an image is: its split, its row in the index of that split, its path and its class."""

    split: str
    row: int
    path: str
    label: str


@dataclasses.dataclass(frozen=True)
class Suspect:
    """An image whose label is probably wrong.

    Attributes:
        place: Where it is.
        sha256: Its content digest.
        suggested: The class that it looks like.
        confidence: Probability of that class, out of fold.
        neighbours: The images that it looks like most, the nearest first; of the first suspects alone.
    """

    place: Place
    sha256: str
    suggested: str
    confidence: float
    neighbours: tuple[Place, ...] = ()

    @property
    def listed(self) -> ListedLabel:
        """Its row of the list."""
        place = self.place
        return ListedLabel(self.sha256, place.path, place.split, place.label, self.suggested, self.confidence)


def check_labels(known: Known, data: Dataset, right: Array) -> tuple[LabelCheck, list[Suspect]]:
    """Looks for labels that are probably wrong.

    Args:
        known: The images with their features; the first split is the evaluated one.
        data: Tells classes and splits.
        right: bool [n], whether the model agrees with the label of each evaluated image, in the order of the index.

    Returns:
        What was found, and the suspected images, the least like their labels first.
    """
    judged = _judged(known, len(data.classes))
    present, labels = np.unique(known.labels[judged], return_inverse=True)
    if len(present) < 2:
        return LabelCheck(reason=f"fewer than two classes have {LEAST} different images to compare"), []
    features = known.features if len(judged) == len(known.labels) else _chosen(known.features, judged)
    probabilities = out_of_fold(features, labels, deal_folds(known.pictures[judged], labels, FOLDS))
    rows, looks = find_suspects(probabilities, labels)
    doubtful = ~known.kept[judged[rows]]
    rows, looks = rows[doubtful], looks[doubtful]
    shown = rows[:MOST_SHOWN]
    neighbours = nearest(features, shown, NEIGHBOURS)

    def place(row: int) -> Place:
        number = judged[row]
        where = known.splits[known.split[number]]
        return Place(where, int(known.rows[number]), known.paths[number], data.classes[known.labels[number]])

    suspects = [
        Suspect(
            place(row),
            known.sha256s[judged[row]],
            data.classes[present[look]],
            round(float(probabilities[row, look]), 4),
            tuple(place(near) for near in neighbours[number]) if number < len(shown) else (),
        )
        for number, (row, look) in enumerate(zip(rows, looks, strict=True))
    ]
    return _record(known, data, judged, suspects, right), suspects


def _judged(known: Known, classes: int) -> Array:
    """Returns int64 [n], the images of classes that have enough different pictures to be in all folds."""
    found = np.flatnonzero(known.found)
    different = np.unique(known.pictures[found] * classes + known.labels[found])
    counts = np.bincount(different % classes, minlength=classes)
    return found[counts[known.labels[found]] >= LEAST]


def _chosen(features: Array, rows: Array) -> Array:
    """Returns some rows of features, maybe on the disk."""
    chosen = scratch_array((len(rows), features.shape[1]))
    for start in range(0, len(rows), _AT_ONCE):
        chosen[start : start + _AT_ONCE] = features[rows[start : start + _AT_ONCE]]
    return chosen


def _record(known: Known, data: Dataset, judged: Array, suspects: list[Suspect], right: Array) -> LabelCheck:
    images, all_images = (
        dict(zip(known.splits, np.bincount(split, minlength=len(known.splits)).tolist(), strict=True))
        for split in (known.split[judged], known.split)
    )
    by_split = Counter(one.place.split for one in suspects)
    evaluated = known.splits[0]
    doubtful = np.zeros(len(right), bool)
    doubtful[[one.place.row for one in suspects if one.place.split == evaluated]] = True
    count = len(right)
    lost, won = int(right[doubtful].sum()), int((~right[doubtful]).sum())
    return LabelCheck(
        splits=tuple(
            CheckedSplit(
                split=split,
                images=images.get(split, 0),
                suspected=by_split[split],
                left_out=(all_images[split] - images[split] if split in images else data.count(split)) or None,
            )
            for split in dict.fromkeys([evaluated, *data.counts])
        ),
        accuracy_without=None if doubtful.all() else float(right[~doubtful].mean()),
        accuracy_range=((int(right.sum()) - lost) / count, (int(right.sum()) + won) / count),
    )
