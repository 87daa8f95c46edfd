"""Shrinking an image to a small square: bit for bit as Pillow's resizing by Lanczos does, in less than half its time."""

import functools
import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Levels = npt.NDArray[np.uint8]

_LOBES = 3  # of Lanczos' kernel on either side
_ONE = 2.0**22  # Pillow's weights are multiples of 1 / _ONE
# Several columns are made by one product of matrices. Of few, little is multiplied by 0; of many, few products are needed.
_COLUMNS, _ROWS = 8, 64
# So many multiplications are one thread's. More than twice as many OpenBLAS spreads over threads, which takes 50 times as long.
_SMALL_PRODUCT = 2**17
_OFTEN = 1024  # Of sides up to this, which many images share, the weights are kept: at most 30 MiB.


class _Columns(NamedTuple):
    """Some columns of the shrunk image: which ones, which pixels they are made of, and the weights [pixels, columns] of these."""

    made: slice
    of: slice
    weights: npt.NDArray[np.float64]


def shrink(levels: Levels, side: int) -> Levels:
    """Returns an image as `Image.resize((side, side), LANCZOS)` of Pillow 13 does.

    Args:
        levels: uint8 [height, width].
        side: Width and height of what is returned, in pixels.

    Returns:
        uint8 [side, side].
    """
    height, width = levels.shape
    if height > side and height - side > 2 * (width - side):  # Pillow takes the shorter way
        return _narrow(_narrow(levels.T, side).T, side)
    return _narrow(_narrow(levels, side).T, side).T


def _narrow(levels: Levels, side: int) -> Levels:
    """Resizes rows to a number of pixels: uint8 [rows, side]."""
    width = levels.shape[1]
    columns = (_kept_columns if width <= _OFTEN else _columns)(width, side)
    at_once = max(1, min(_ROWS, _SMALL_PRODUCT // max(part.weights.size for part in columns)))
    # All are whole numbers below 2⁵³, which no order of adding rounds.
    sums = np.empty((len(levels), side))
    for start in range(0, len(levels), at_once):
        rows = slice(start, start + at_once)
        pixels = levels[rows].astype(np.float64)
        for part in columns:
            np.matmul(pixels[:, part.of], part.weights, out=sums[rows, part.made])
    sums /= _ONE
    sums += 0.5
    return np.clip(sums, 0, 255).astype(np.uint8)


def _columns(width: int, side: int) -> list[_Columns]:
    """Returns of which pixels of a row, by which weights, a row of another width is made."""
    first, weights = _weights(width, side)
    places = first[:, None] + np.arange(weights.shape[1])
    found = []
    for start in range(0, side, _COLUMNS):
        made = slice(start, start + _COLUMNS)
        begin, end = int(first[start]), int(places[made].max()) + 1
        block = np.zeros((end - begin, len(first[made])))
        block[places[made] - begin, np.arange(block.shape[1])[:, None]] = weights[made]
        found.append(_Columns(made, slice(begin, min(end, width)), block[: width - begin]))
    return found


_kept_columns = functools.lru_cache(256)(_columns)


def _weights(width: int, side: int) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float64]]:
    """Returns the first pixel that each pixel of the other width is made of, int [side], and the weights from there on."""
    scale = width / side
    stretch = max(scale, 1.0)
    reach = _LOBES * stretch
    centres = (np.arange(side) + 0.5) * scale
    first = np.maximum(np.trunc(centres - reach + 0.5), 0).astype(np.int64)
    end = np.minimum(np.trunc(centres + reach + 0.5), width)
    places = first[:, None] + np.arange(2 * math.ceil(reach) + 1)
    far = (places - centres[:, None] + 0.5) * (1 / stretch)
    weights = np.where((far >= -_LOBES) & (far < _LOBES), np.sinc(far) * np.sinc(far / _LOBES), 0)
    weights[places >= end[:, None]] = 0
    weights /= np.cumsum(weights, axis=1)[:, -1:]  # one after the other, as Pillow adds them up
    return first, np.trunc(weights * _ONE + np.copysign(0.5, weights))
