"""Histograms of a dataset's images by split: sizes, proportions and brightness."""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from typing import Any

import numpy as np

_BINS = 12
_BRIGHTNESS_STEP = 16
_PROPORTIONS = ("1:3", "1:2", "9:16", "2:3", "3:4", "4:5", "1:1", "5:4", "4:3", "3:2", "16:9", "2:1", "3:1")


@dataclass(frozen=True)
class Histogram:
    """Images by value of one property.

    Attributes:
        title: The property, with its unit.
        bins: The bins' names.
        ticks: What to write along the axis: position, 0 to 1, and text.
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


def histograms(index: Any, splits: Sequence[str]) -> list[Histogram]:
    """Counts the images of a dataset by their longer side, their proportions and their brightness.

    Args:
        index: The dataset's index, a `pyarrow.Table`.
        splits: The splits to tell apart.
    """
    import pyarrow.compute as pc

    masks = {split: pc.equal(index["split"], split).to_numpy() for split in splits}
    width, height = index["width"].to_numpy(), index["height"].to_numpy()
    longer, brightness = np.maximum(width, height), index["brightness"].to_numpy()
    if not len(longer):
        return []
    sides, proportions = _round_edges(longer), [float(Fraction(*map(int, name.split(":")))) for name in _PROPORTIONS]
    return [
        _linear("Longer side in pixels", {split: longer[mask] for split, mask in masks.items()}, sides),
        _nearest("Width to height", {split: (width / height)[mask] for split, mask in masks.items()}, proportions),
        _linear(
            "Brightness, 0 black to 255 white",
            {split: brightness[mask] for split, mask in masks.items()},
            list(range(0, 257, _BRIGHTNESS_STEP)),
        ),
    ]


def _round_edges(values: Any) -> list[int]:
    """Returns round edges of about a dozen bins around nearly all values; a few far away would squeeze the rest together."""
    low, high = (float(edge) for edge in np.percentile(values, (0.5, 99.5)))
    least = max((high - low) / _BINS, 1.0)
    power = 10 ** int(np.floor(np.log10(least)))
    step = next(step for step in (power, 2 * power, 5 * power, 10 * power) if step >= least)
    first = int(low // step) * step
    return list(range(first, int(high // step + 1) * step + 1, step))


def _linear(title: str, by_split: dict[str, Any], edges: list[int]) -> Histogram:
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
    every = -(-len(edges) // 5)
    ticks = [
        ((number + len(below)) / len(bins), f"{edge:,}") for number, edge in enumerate(edges) if number % every == 0
    ]
    return Histogram(title, bins, ticks, counts, [_in_words(*item, "{:,.0f}") for item in by_split.items()])


def _nearest(title: str, by_split: dict[str, Any], values_of_bins: list[float]) -> Histogram:
    """Counts each value at the nearest proportion, near meaning a factor, so that 1:2 and 2:1 lie alike."""
    borders = np.sqrt(np.multiply(values_of_bins[:-1], values_of_bins[1:]))
    counts = {
        split: np.bincount(np.searchsorted(borders, values), minlength=len(values_of_bins)).tolist()
        for split, values in by_split.items()
    }
    size = len(_PROPORTIONS)
    ticks = [((number + 0.5) / size, name) for number, name in enumerate(_PROPORTIONS) if number % 2 == 0]
    bins = [f"about {name}" for name in _PROPORTIONS]
    bins[0], bins[-1] = "about 1:3 or taller", "about 3:1 or wider"
    return Histogram(title, bins, ticks, counts, [_in_words(*item, "{:.2f}") for item in by_split.items()])


def _in_words(split: str, values: Any, number: str) -> str:
    if not len(values):
        return f"{split}: none"
    low, quarter, median, three, high = (number.format(value) for value in np.percentile(values, (0, 25, 50, 75, 100)))
    return f"{split}: median {median}, half of them {quarter} to {three}, all {low} to {high}"
