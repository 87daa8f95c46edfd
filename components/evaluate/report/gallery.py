"""Which images the report shows: those behind each cell of the confusion matrix, mistakes, and what the champion had right."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from graft.components.common.artifacts.evaluation import Drift
from graft.components.common.artifacts.figures import MOST_CLASSES, MOST_CONFUSED

if TYPE_CHECKING:
    import pyarrow as pa

# What a page of less than 5 MB has room for.
MAX_A_CELL, MAX_IN_CELLS = 60, 400
MAX_MISTAKES, MAX_LOST = 48, 48

_SIDES = ("label", "predicted")
_CHAMPION = ("champion", "label")

Array = np.ndarray[Any, Any]


@dataclasses.dataclass(frozen=True)
class Chosen:
    """Rows of the predictions to show, each list in the order to show it.

    Attributes:
        cells: By numbers of the true and the predicted class: rows with the lowest confidence first. Of many classes, only the
            pairs that are mistaken most often.
        counts: How many images each of these cells has.
        mistakes: Rows of mistakes, with the highest confidence first.
        mistakes_in_all: How many mistakes there are.
        lost: Rows that the champion had right and this model wrong, with the highest confidence first; None without a champion.
        lost_in_all: How many of those there are.
        drivers: By measure of drift, rows of new images that are most unlike the old ones.
        confidence: float64 [N], probability of the predicted class, by row.
    """

    cells: dict[tuple[int, int], list[int]]
    counts: dict[tuple[int, int], int]
    mistakes: list[int]
    mistakes_in_all: int
    lost: list[int] | None
    lost_in_all: int
    drivers: dict[str, tuple[int, ...]]
    confidence: Array

    @property
    def rows(self) -> list[int]:
        """All rows to show, ascending."""
        return sorted({*self.small, *self.mistakes, *(self.lost or [])})

    @property
    def small(self) -> set[int]:
        """Rows that are shown small."""
        in_cells = {row for rows in self.cells.values() for row in rows}
        return in_cells.union(*self.drivers.values())


def choose(predictions: "pa.Table", classes: Sequence[str], drift: Drift) -> Chosen:
    """Chooses the images to show.

    Args:
        predictions: A row an image, with the columns that `write_report` takes.
        classes: The class names in label order.
        drift: In what the new images differ from the old ones, and which of them most.
    """
    numbers = {name: number for number, name in enumerate(classes)}
    true, predicted = (np.array([numbers[name] for name in predictions[side].to_pylist()], int) for side in _SIDES)
    confidence = predictions["confidence"].to_numpy().astype(np.float64)
    by_confidence = np.argsort(confidence, kind="stable")
    cells: dict[tuple[int, int], list[int]] = {}
    for row in by_confidence.tolist():
        cells.setdefault((int(true[row]), int(predicted[row])), []).append(row)
    if len(classes) > MOST_CLASSES:
        wrong = sorted((cell for cell in cells if cell[0] != cell[1]), key=lambda cell: (-len(cells[cell]), cell))
        cells = {cell: cells[cell] for cell in wrong[:MOST_CONFUSED]}
    counts = {cell: len(rows) for cell, rows in cells.items()}
    room = _room(counts)
    mistakes = [row for row in by_confidence[::-1].tolist() if true[row] != predicted[row]]
    lost = None
    if "champion" in predictions.column_names:
        right = [named == label for named, label in zip(*(predictions[c].to_pylist() for c in _CHAMPION), strict=True)]
        lost = [row for row in mistakes if right[row]]
    return Chosen(
        cells={cell: rows[: room[cell]] for cell, rows in sorted(cells.items())},
        counts=counts,
        mistakes=mistakes[:MAX_MISTAKES],
        mistakes_in_all=len(mistakes),
        lost=lost if lost is None else lost[:MAX_LOST],
        lost_in_all=len(lost or []),
        drivers={measure.name: measure.drivers for measure in drift.measures or () if measure.drivers},
        confidence=confidence,
    )


def _room(counts: Mapping[tuple[int, int], int]) -> dict[tuple[int, int], int]:
    """Returns how many images of each cell to show: as many of each as there is room for, mistakes first where it is tight."""
    most = next(
        (most for most in range(MAX_A_CELL, 0, -1) if sum(min(n, most) for n in counts.values()) <= MAX_IN_CELLS), 1
    )
    room, left = {}, MAX_IN_CELLS
    for cell in sorted(counts, key=lambda cell: (cell[0] == cell[1], -counts[cell], cell)):
        room[cell] = min(counts[cell], most, left)
        left -= room[cell]
    return room
