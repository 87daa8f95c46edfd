"""The confusion matrix, with what stands behind each of its cells."""

import dataclasses
from collections.abc import Sequence

from graft.components.evaluate.report.gallery import Chosen

_DARKEST = 45.0


@dataclasses.dataclass(frozen=True)
class Cell:
    """A cell of the confusion matrix.

    Attributes:
        name: Its name in the page.
        true: The true class.
        predicted: The predicted class.
        count: How many images it has.
        share: Their share of the images of the true class, 0 to 1.
        rows: The images to show, by row of the predictions.
    """

    name: str
    true: str
    predicted: str
    count: int
    share: float
    rows: list[int]

    @property
    def right(self) -> bool:
        """Whether the prediction is right."""
        return self.true == self.predicted

    @property
    def shade(self) -> float:
        """How strongly to colour it, 0 to 45%, so that text on it stays readable; of mistakes a few are to be seen already."""
        return _DARKEST * (self.share if self.right else self.share**0.5)


def matrix(confusion: Sequence[Sequence[int]], classes: Sequence[str], chosen: Chosen) -> list[list[Cell]]:
    """Returns the cells, a row for each true class.

    Args:
        confusion: Counts of images; rows are true classes, columns predicted ones.
        classes: The class names in label order.
        chosen: The images to show.
    """
    return [
        [
            Cell(
                f"cell-{row}-{column}",
                true,
                predicted,
                count,
                count / max(1, sum(counts)),
                chosen.cells.get((row, column), []),
            )
            for column, (predicted, count) in enumerate(zip(classes, counts, strict=True))
        ]
        for row, (true, counts) in enumerate(zip(classes, confusion, strict=True))
    ]
