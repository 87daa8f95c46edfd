"""The confusion matrix, with what stands behind each of its cells."""

import dataclasses
from collections.abc import Sequence

from graft.components.common.artifacts.figures import Metrics
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


def matrix(metrics: Metrics, classes: Sequence[str], chosen: Chosen) -> list[list[Cell]]:
    """Returns the cells, a row for each true class; none if there are too many classes for a matrix.

    Args:
        metrics: The evaluation's figures.
        classes: The class names in label order.
        chosen: The images to show.
    """
    sums = [max(1, sum(counts)) for counts in metrics.confusion]
    return [
        [
            Cell(
                f"cell-{row}-{column}",
                classes[row],
                classes[column],
                count,
                count / sums[row],
                chosen.cells.get((row, column), []),
            )
            for column, count in enumerate(counts)
        ]
        for row, counts in enumerate(metrics.confusion)
    ]


def confused(metrics: Metrics, classes: Sequence[str], chosen: Chosen) -> list[Cell]:
    """Returns the cells of the pairs that are mistaken most often, if there are too many classes for a matrix.

    Args:
        metrics: The evaluation's figures.
        classes: The class names in label order.
        chosen: The images to show.
    """
    numbers = {name: number for number, name in enumerate(classes)}
    return [
        Cell(
            f"cell-{numbers[pair.true]}-{numbers[pair.predicted]}",
            pair.true,
            pair.predicted,
            pair.images,
            pair.images / metrics.by_class[pair.true].images,
            chosen.cells.get((numbers[pair.true], numbers[pair.predicted]), []),
        )
        for pair in metrics.confused
    ]
