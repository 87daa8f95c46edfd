"""Miniatures: tiny grey pictures of images, which prove that two images with a like hash are copies of one picture.

Images of one composition (a fixed camera's, digits, X-rays, forms) have like hashes, and among a million strangers some have by
chance. A copy that was encoded anew differs from its original by noise that is spread evenly; a cropped one by a slight
enlargement. What differs in any other way is another picture.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from graft.components.common.compute.machine import cores

if TYPE_CHECKING:
    import pyarrow as pa

Array = np.ndarray[Any, Any]

SIDE = 16
"""A miniature is so many pixels wide and high."""

# Measured on copies of 300 photographs with a like hash: proven are all of JPEG and WebP of quality 30 and up, resized by half,
# grey, 15% brighter or darker, and 99% of those cropped by up to 3% a side. Of pairs of strangers with a like hash: none of 3,429
# of digits, 19,893 of forms and 315 of parts of the photographs, and 0.1 to 0.8% of a fixed camera's (docs/dataset.md).
_MAX_NOISE, _MAX_PEAK = 6, 4
_MAX_CLIPPED, _UNCLIPPED = 1.25, 2
_MAX_SHARE = 0.15
_MAX_UNEXPLAINED, _MAX_BLUR = 0.36, 0.1
_MAX_CROP, _CROP_ERROR = 0.06, 0.008

# What an image's miniature varies by when nothing is seen of it, in levels of 255: rounding.
_ROUNDING = 0.3
_CONTRAST = 64  # brings the columns of a fit to a like size
_NO_TONES = 0.01  # a blank picture has no tones: the small number keeps its equations solvable
_AT_ONCE = 2**9
_FACTORS = np.random.default_rng(0).integers(2**63, size=SIDE**2 // 8, dtype=np.uint64) * np.uint64(2) + np.uint64(1)


@dataclass(frozen=True)
class Miniatures:
    """The miniatures of all images, of which only those that are asked for are in memory.

    Attributes:
        marks: uint64 [N], what `mark` returns for each.
        read: Returns the miniatures of some images, uint8 [M, SIDE²], by their numbers, int [M].
    """

    marks: Array
    read: Callable[[Array], Array]


def as_rows(column: "pa.FixedSizeBinaryArray") -> Array:
    """Returns a column of an index whose values have one length, such as the miniatures, as an array: uint8 [N, bytes]."""
    bytes_each = column.type.byte_width
    data = column.buffers()[1].slice(column.offset * bytes_each, len(column) * bytes_each)
    return np.frombuffer(data, np.uint8).reshape(-1, bytes_each)


def mark(miniatures: Array) -> Array:
    """Returns a number for each miniature, the same for the same ones and, but for a chance of 2⁻⁶⁴, for no others: uint64 [N].

    Args:
        miniatures: uint8 [N, SIDE²].
    """
    return np.asarray((np.ascontiguousarray(miniatures).view(np.uint64) * _FACTORS).sum(axis=1, dtype=np.uint64))


def same_picture(miniatures: Array, one: Array, other: Array) -> Array:
    """Returns which pairs show the same picture, one being a copy of the other, encoded anew or slightly cropped: bool [P].

    Args:
        miniatures: uint8 [N, SIDE²].
        one: int [P], number of the first one of each pair.
        other: int [P], number of the second one.
    """
    same = np.zeros(len(one), bool)
    with ThreadPoolExecutor(cores()) as threads:
        for originals, copies in ((one, other), (other, one)):
            # What an original is compared by is worked out once for all its pairs.
            order = np.argsort(originals, kind="stable")
            groups = list(_alike_groups(originals, order[~same[order]]))
            proofs = threads.map(partial(_prove, miniatures, originals, copies), groups)
            for pairs, proven in zip(groups, proofs, strict=True):
                same[pairs] = proven
    return same


def _alike_groups(numbers: Array, order: Array) -> Iterator[Array]:
    """Yields places of equal numbers, some hundred at once: int [G, M], M of each number.

    Args:
        numbers: int [N].
        order: Places in it, in the order of their numbers.
    """
    ordered = numbers[order]
    starts = np.flatnonzero(np.diff(ordered, prepend=-1))
    by_size: dict[int, list[int]] = defaultdict(list)
    for start, end in pairwise([*starts.tolist(), len(ordered)]):
        for begin in range(start, end, _AT_ONCE):
            by_size[min(end - begin, _AT_ONCE)].append(begin)
    for size, begins in by_size.items():
        groups = _AT_ONCE // size
        for part in range(0, len(begins), groups):
            yield order[np.array(begins[part : part + groups])[:, None] + np.arange(size)]


def _prove(miniatures: Array, originals: Array, copies: Array, pairs: Array) -> Array:
    """Returns which pairs, int [G, M], are of an original and its copy; the M pairs of a row have the same original."""
    return _are_copies(miniatures[originals[pairs[:, 0]]], miniatures[copies[pairs]])


def _are_copies(originals: Array, others: Array) -> Array:
    """Returns which miniatures are of copies of another one's image: bool [G, M].

    Args:
        originals: uint8 [G, SIDE²].
        others: uint8 [G, M, SIDE²], so many for each original.
    """
    pictures = originals.astype(np.float32)
    change = others.astype(np.float32) - pictures[:, None]
    return np.asarray(_encoded_anew(pictures, change) | _cropped(pictures.reshape(-1, SIDE, SIDE), change))


def _encoded_anew(pictures: Array, change: Array) -> Array:
    """Returns where a curve of tones explains the change but for noise without a peak."""
    curves = _curves(pictures)
    noise = _unexplained(change, curves)
    largest, rms = np.abs(noise).max(axis=-1), _rms(noise)
    # A copy that is brighter by so much has lost as much where it is white.
    clipped = np.maximum(np.abs(change.mean(axis=-1)) - _UNCLIPPED, 0)
    even = largest <= np.minimum(_MAX_NOISE, 1 + _MAX_PEAK * rms) + _MAX_CLIPPED * clipped
    # Of a stranger with little contrast all is noise.
    return np.asarray(even & (rms <= 1 + _MAX_SHARE * (pictures[:, None] + change).std(axis=-1)))


def _cropped(pictures: Array, change: Array) -> Array:
    """Returns where a crop explains the change: to first order, it is the picture's slope times the way that each point has gone.

    That is image registration by Lucas and Kanade ("An Iterative Image Registration Technique with an Application to Stereo
    Vision", IJCAI 1981), for which two ways of two numbers each do.
    """
    seen = _SEE @ pictures @ _SEE.T
    right, down = _SEE @ pictures @ _SLOPE.T, _SLOPE @ pictures @ _SEE.T
    flat = seen.reshape(len(seen), -1)
    brighter = np.stack([np.ones_like(flat), _tone(flat)], axis=1)
    seen_change = (_SEE @ change.reshape(*change.shape[:2], SIDE, SIDE) @ _SEE.T).reshape(*change.shape[:2], -1)
    before, blur = _rms(_unexplained(seen_change, brighter)), _MAX_BLUR * flat.std(axis=-1, keepdims=True)
    allowed = np.minimum(_MAX_UNEXPLAINED * np.maximum(before, _ROUNDING), blur)
    # Most strangers differ by more than the largest crop, and need no fit.
    largest = _rms((np.abs(right) * _MAX_WAY + np.abs(down) * _MAX_WAY[:, None]).reshape(flat.shape))
    likely = before <= largest[:, None] + allowed
    some = likely.any(axis=1)
    ways = [right[some], right[some] * _PLACES, down[some], down[some] * _PLACES[:, None]]
    rows = np.concatenate([brighter[some], *(way.reshape(-1, 1, flat.shape[1]) / SIDE for way in ways)], axis=1)
    seen_change = seen_change[some]
    found = seen_change @ rows.swapaxes(1, 2) @ _inverse(rows)
    # How much of the width or height each side has lost: left, right, top, bottom.
    x, wider, y, higher = np.moveaxis(found[..., 2:], -1, 0) / SIDE
    sides = np.stack([x - wider, -x - wider, y - higher, -y - higher])
    likely[some] &= (sides.min(axis=0) >= -_CROP_ERROR) & (sides.max(axis=0) <= _MAX_CROP)
    likely[some] &= _rms(seen_change - found @ rows) <= allowed[some]
    return np.asarray(likely)


def _curves(pictures: Array) -> Array:
    """Returns polynomials of a picture's tones of degree 0 to 3, at right angles to one another: [G, 4, pixels]."""
    tone = _tone(pictures)
    curves = np.empty((4, *tone.shape), tone.dtype)
    curves[0], curves[1] = 1, tone
    for degree in (2, 3):
        np.multiply(tone, curves[degree - 1], out=curves[degree])
        # Times the tone, a curve is still at right angles to all that are lower by more than two degrees.
        for lower in curves[degree - 2 : degree]:
            share = np.einsum("gi,gi->g", curves[degree], lower) / (_squares(lower) + _NO_TONES)
            curves[degree] -= share[:, None] * lower
    return curves.swapaxes(0, 1)


def _tone(pictures: Array) -> Array:
    return np.asarray((pictures - pictures.mean(axis=-1, keepdims=True)) / _CONTRAST)


def _squares(values: Array) -> Array:
    return np.asarray(np.einsum("...i,...i->...", values, values))


def _rms(values: Array) -> Array:
    return np.asarray(np.sqrt(_squares(values) / values.shape[-1]))


def _unexplained(values: Array, rows: Array) -> Array:
    """Returns what multiples of some rows leave of values, of each in the least squares' sense: [G, M, pixels].

    Args:
        values: [G, M, pixels].
        rows: [G, rows, pixels], at right angles to one another.
    """
    return np.asarray(values - values @ rows.swapaxes(1, 2) / (_squares(rows) + _NO_TONES)[:, None] @ rows)


def _inverse(rows: Array) -> Array:
    """Returns the inverse of the least squares' equations: [G, rows, rows]."""
    return np.linalg.inv(rows @ rows.swapaxes(1, 2) + _NO_TONES * np.eye(rows.shape[1])).astype(rows.dtype)


def _smooth_views() -> tuple[Array, Array, Array]:
    """Returns matrices that take a row of a miniature to a smooth curve and its slope at the inner pixels, and their places.

    The curve is the sum of the row's cosines (DCT-II), weakened like a blur of half a pixel.
    """
    waves, places = np.arange(SIDE), (np.arange(SIDE) + 0.5) / SIDE
    analysis = np.cos(np.pi * np.outer(waves, places)) * 2 / SIDE
    analysis[0] /= 2
    kept = np.exp(-((np.pi * waves * 0.56 / SIDE) ** 2) / 2)
    inner = places[1:-1]
    angles = np.pi * np.outer(inner, waves)
    see, slope = (np.cos(angles) * kept) @ analysis, (-np.pi * waves * np.sin(angles) * kept) @ analysis
    return see.astype(np.float32), slope.astype(np.float32), (2 * inner - 1).astype(np.float32)


_SEE, _SLOPE, _PLACES = _smooth_views()
# How far the largest crop takes each point: half of it or more, as the other side loses it too, or nothing and the error.
_MAX_WAY = (_MAX_CROP * (1 + np.abs(_PLACES)) + _CROP_ERROR * (1 - np.abs(_PLACES))) / 2
