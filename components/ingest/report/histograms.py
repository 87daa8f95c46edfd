"""Histograms of a dataset's images by split: sizes, proportions and brightness."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from typing import Any

import numpy as np

from graft.components.common.pages.charts import Chart, chart, plot_bars

_BINS, _TICKS = 12, 5
_BRIGHTNESS_STEP = 16
_PROPORTIONS = ("1:3", "1:2", "9:16", "2:3", "3:4", "4:5", "1:1", "5:4", "4:3", "3:2", "16:9", "2:1", "3:1")

Values = Mapping[str, Any]
"""A NumPy array of all images' values, by split."""


@dataclass(frozen=True)
class Histogram:
    """Images by value of one property.

    Attributes:
        title: The property, with its unit.
        bins: The bins' names.
        ticks: What to write along the axis: position, the first bin being at 0 and the next at 1, and text.
        counts: Images in each bin, by split.
        summary: A sentence a split, which says in words what the bars show.
    """

    title: str
    bins: list[str]
    ticks: list[tuple[float, str]]
    counts: dict[str, list[int]]
    summary: list[str]

    @property
    def shares(self) -> dict[str, list[float]]:
        """Share of a split's images in each bin, by split: splits of different size can be compared."""
        return {split: [count / max(1, sum(counts)) for count in counts] for split, counts in self.counts.items()}

    def draw(self) -> Chart:
        """Returns the histogram as a chart."""

        def plot(axes: Any) -> None:
            plot_bars(axes, self.shares, self.bins)
            axes.set_xticks(*zip(*self.ticks, strict=True))

        by_bin = zip(self.bins, *self.counts.values(), strict=True)
        numbers = [[name, *(f"{count:,}" for count in counts)] for name, *counts in by_bin]
        return chart(self.title, self.summary, plot, [[self.title, *self.counts], *numbers])


def histograms(index: Any, splits: Sequence[str]) -> list[Histogram]:
    """Counts the images of a dataset by their longer side, their proportions and their brightness."""
    import pyarrow.compute as pc

    if not len(index):
        return []
    from matplotlib.ticker import MaxNLocator

    masks = {split: pc.equal(index["split"], split).to_numpy() for split in splits}
    width, height = index["width"].to_numpy(), index["height"].to_numpy()
    longer, brightness = np.maximum(width, height), index["brightness"].to_numpy()
    # A few images far away would squeeze the rest together.
    low, high = np.percentile(longer, (0.5, 99.5))
    sides = [int(edge) for edge in MaxNLocator(_BINS, steps=(1, 2, 5, 10), integer=True).tick_values(low, high + 1)]

    def by_split(values: Any) -> Values:
        return {split: values[mask] for split, mask in masks.items()}

    return [
        _linear("Longer side in pixels", by_split(longer), sides),
        _nearest("Aspect ratio, width to height", by_split(width / height)),
        _linear("Brightness, 0 black to 255 white", by_split(brightness), list(range(0, 257, _BRIGHTNESS_STEP))),
    ]


def _linear(title: str, by_split: Values, edges: list[int]) -> Histogram:
    """Counts values between edges, and in a bin more at either end if some lie beyond."""
    everything = np.concatenate(list(by_split.values()))
    lowest, highest = everything.min(), everything.max()
    names = [f"{low:,}–{high - 1:,}" if high - low > 1 else f"{low:,}" for low, high in pairwise(edges)]
    below = [f"under {edges[0]:,}"] if lowest < edges[0] else []
    above = [f"{edges[-1]:,} or more"] if highest >= edges[-1] else []
    bins = below + names + above
    borders = edges if below else edges[1:]
    counts = {
        split: np.bincount(np.digitize(values, borders), minlength=len(bins))[: len(bins)].tolist()
        for split, values in by_split.items()
    }
    every = -(-len(edges) // _TICKS)
    ticks = [(number + len(below) - 0.5, f"{edge:,}") for number, edge in enumerate(edges) if number % every == 0]
    return Histogram(title, bins, ticks, counts, [_in_words(*item, "{:,.0f}") for item in by_split.items()])


def _nearest(title: str, by_split: Values) -> Histogram:
    """Counts each value at the nearest proportion, near meaning a factor, so that 1:2 and 2:1 lie alike."""
    proportions = [float(Fraction(*map(int, name.split(":")))) for name in _PROPORTIONS]
    borders = np.sqrt(np.multiply(proportions[:-1], proportions[1:]))
    counts = {
        split: np.bincount(np.searchsorted(borders, values), minlength=len(proportions)).tolist()
        for split, values in by_split.items()
    }
    ticks = [(float(number), name) for number, name in enumerate(_PROPORTIONS) if number % 2 == 0]
    bins = [f"about {name}" for name in _PROPORTIONS]
    bins[0], bins[-1] = "about 1:3 or taller", "about 3:1 or wider"
    return Histogram(title, bins, ticks, counts, [_in_words(*item, "{:.2f}") for item in by_split.items()])


def _in_words(split: str, values: Any, number: str) -> str:
    if not len(values):
        return f"{split}: none"
    low, quarter, median, three, high = (number.format(value) for value in np.percentile(values, (0, 25, 50, 75, 100)))
    return f"{split}: median {median}, middle half {quarter} to {three}, range {low} to {high}"
