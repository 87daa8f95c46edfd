"""Line charts, laid out for inline SVG."""

import dataclasses
import math
from collections.abc import Iterable, Sequence
from itertools import pairwise

# The plot within a chart of 320 by 240.
LEFT, RIGHT, TOP, BOTTOM = 42.0, 312.0, 10.0, 196.0
MAX_MARKS = 40
_TICKS = 4
Points = Sequence[tuple[float, float]]
Ticks = tuple[list[tuple[float, str]], list[tuple[float, str]]]


@dataclasses.dataclass(frozen=True)
class Line:
    """A line of a chart.

    Attributes:
        kind: `first` or `second`, told apart by colour, dashes and marks, or `even`, to compare with.
        name: What it shows; empty if it needs no key.
        path: SVG path.
        marks: Where its points are, if they are few.
    """

    kind: str
    name: str
    path: str
    marks: list[tuple[float, float]]


@dataclasses.dataclass(frozen=True)
class Chart:
    """A chart, in SVG's units.

    Attributes:
        title: What it shows.
        axes: Titles of the two axes, across and up; empty where the chart's title says it.
        ticks: Places and texts along each.
        lines: Its lines.
        bars: Left, top, width and height of bars.
        verticals: Places and names of upright lines.
        summary: What it says, in words.
        header: Heads of the columns of its numbers.
        rows: Its numbers; a table is left out where there are none.
    """

    title: str
    axes: tuple[str, str]
    ticks: Ticks
    lines: list[Line]
    summary: str
    bars: list[tuple[float, float, float, float]] = dataclasses.field(default_factory=list)
    verticals: list[tuple[float, str]] = dataclasses.field(default_factory=list)
    header: list[str] = dataclasses.field(default_factory=list)
    rows: list[list[str]] = dataclasses.field(default_factory=list)


@dataclasses.dataclass(frozen=True)
class Scale:
    """From values to places.

    Attributes:
        x: The values at the plot's left and right.
        y: The values at its bottom and top.
    """

    x: tuple[float, float]
    y: tuple[float, float]

    def place(self, x: float, y: float) -> tuple[float, float]:
        """Returns a point's place in the chart."""
        (left, right), (low, high) = self.x, self.y
        across = LEFT + (RIGHT - LEFT) * (x - left) / (right - left)
        return round(across, 1), round(BOTTOM - (BOTTOM - TOP) * (y - low) / (high - low), 1)

    def line(self, kind: str, name: str, points: Points, *, marked: bool = True) -> Line:
        """Returns the line through some points, `marked` if they are few."""
        places = list(dict.fromkeys(self.place(*point) for point in points))
        steps = " ".join(f"{x:g},{y:g}" for x, y in _corners(places))
        return Line(kind, name, f"M{steps}" if places else "", places if marked and len(places) <= MAX_MARKS else [])

    def ticks(self, x: Iterable[float], y: Iterable[float], form: str = "{:g}") -> Ticks:
        """Returns places and texts of ticks along both axes."""
        return (
            [(self.place(value, self.y[0])[0], f"{value:g}") for value in x],
            [(self.place(self.x[0], value)[1], form.format(value)) for value in y],
        )


UNIT = Scale((0.0, 1.0), (0.0, 1.0))
QUARTERS = (0, 0.25, 0.5, 0.75, 1)


def _corners(places: Points) -> list[tuple[float, float]]:
    """Leaves out what lies on a level or upright stretch: a ROC curve is a stair."""
    kept = [
        here
        for before, here, after in zip(places, places[1:], places[2:], strict=False)
        if not any(before[axis] == here[axis] == after[axis] for axis in (0, 1))
    ]
    return [*places[:1], *kept, *places[1:][-1:]]


def round_ticks(low: float, high: float) -> list[float]:
    """Returns a few round numbers, the first no higher and the last no lower than the given ones.

    Args:
        low: The lowest value.
        high: The highest.
    """
    least = max(high - low, 1e-6) / _TICKS
    power = 10.0 ** math.floor(math.log10(least))
    step = next(step for step in (power, 2 * power, 5 * power, 10 * power) if step >= least)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    ticks = [round(number * step, 12) for number in range(first, max(last, first + 1) + 1)]
    return ticks if all(after > before for before, after in pairwise(ticks)) else [low, low + 1]
