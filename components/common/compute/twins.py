"""Finding images that are the same, byte by byte or to the eye, in less than quadratic time."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]

MAX_DISTANCE = 10
"""Bits, of 64, in which the perceptual hashes of twins may differ: finds 97% of copies cropped by 3% a side."""

IDENTICAL = -1
"""The distance of images whose bytes are the same."""

# Copies of an image are about as bright as it is; other images with a like hash, of little detail most of them, are often not.
_BRIGHTNESS_STEP, _MAX_STEPS = 8, 2
_BANDS, _BAND_BITS = 4, 16
_PAIRS_AT_ONCE = 2**15
_NONE = np.iinfo(np.int64).max
_PLACE_BITS = 40


@dataclass(frozen=True)
class Twins:
    """The nearest twin of every image in every group.

    Attributes:
        twin: int32 [N, G], number of the twin, or -1 where there is none.
        distance: int8 [N, G], bits in which the hashes differ, or IDENTICAL.
    """

    twin: Array
    distance: Array


def find_twins(
    contents: Array, phashes: Array, brightness: Array, groups: Array, count: int, seeking: Array | None = None
) -> Twins:
    """Finds every image's nearest twin in every group of images, such as the splits.

    Looks are compared by perceptual hashes at most `MAX_DISTANCE` bits apart and a like mean
    brightness. Hashes are looked up by their four bands of 16 bits, one of which differs in at most two bits (multi-index
    hashing: Norouzi, Punjani and Fleet, "Fast Search in Hamming Space with Multi-Index Hashing", CVPR 2012), so that 100,000
    images take seconds.

    Args:
        contents: int [N], the same number for the same bytes.
        phashes: uint64 [N] perceptual hashes.
        brightness: float [N] mean luma, 0 to 255.
        groups: int [N] group of each image, 0 to count - 1; -1 for images that are nobody's twin, but may have twins.
        count: How many groups there are.
        seeking: bool [N], true for the images whose twins are wanted, and may be missing of others; None for all.
    """
    steps = np.round(brightness / _BRIGHTNESS_STEP).astype(np.uint8)
    # Many images may share a hash, as blank ones do: each look is searched for once.
    looks, look_of = np.unique(np.rec.fromarrays([phashes, steps]), return_inverse=True)
    hashes, steps = looks["f0"], looks["f1"].astype(np.int8)
    representatives = np.stack([_first(look_of, groups == group, len(hashes)) for group in range(count)], axis=1)
    nearest = np.full((len(hashes), count), _NONE)
    seekers = np.unique(look_of if seeking is None else look_of[seeking]).astype(np.int32)
    for one, other, distance in _close_pairs(hashes, steps, seekers):
        for group in range(count):
            there = representatives[other, group] >= 0
            key = distance[there] << _PLACE_BITS | representatives[other[there], group]
            np.minimum.at(nearest[:, group], one[there], key)
    twin = np.full((len(phashes), count), -1, np.int32)
    distance = np.zeros((len(phashes), count), np.int8)
    for group in range(count):
        found = nearest[look_of, group]
        near = found != _NONE
        twin[near, group], distance[near, group] = found[near] & (1 << _PLACE_BITS) - 1, found[near] >> _PLACE_BITS
        for same, bits in ((look_of, 0), (contents, IDENTICAL)):
            other = _another(same, groups == group)
            there = other >= 0
            twin[there, group], distance[there, group] = other[there], bits
    return Twins(twin, distance)


def _first(kinds: Array, among: Array, count: int) -> Array:
    """Returns the number of the first image of each kind among some, or -1: int32 [count]."""
    first = np.full(count, -1, np.int32)
    numbers = np.flatnonzero(among)[::-1]
    first[kinds[numbers]] = numbers
    return first


def _another(kinds: Array, among: Array) -> Array:
    """Returns for every image the number of another one of its kind among some, the first one, or -1: int32 [N]."""
    count = int(kinds.max()) + 1
    first = _first(kinds, among, count)
    rest = among.copy()
    rest[first[first >= 0]] = False
    second = _first(kinds, rest, count)
    return np.where(first[kinds] == np.arange(len(kinds)), second[kinds], first[kinds])


def _close_pairs(hashes: Array, steps: Array, seekers: Array) -> Iterator[tuple[Array, Array, Array]]:
    """Yields a seeker, another look that is close to it, and the distance of their hashes, for all such; some more than once."""
    flips = [0, *(sum(1 << bit for bit in bits) for n in (1, 2) for bits in combinations(range(_BAND_BITS), n))]
    for band in range(_BANDS):
        keys = (hashes >> np.uint64(band * _BAND_BITS) & np.uint64(2**_BAND_BITS - 1)).astype(np.int32)
        order = np.argsort(keys, kind="stable").astype(np.int32)
        starts = np.searchsorted(keys[order], np.arange(2**_BAND_BITS + 1))
        for flip in flips:
            wanted = keys[seekers] ^ flip
            sizes = starts[wanted + 1] - starts[wanted]
            for part in _parts(sizes):
                one = np.repeat(seekers[part], sizes[part])
                within = np.arange(len(one)) - np.repeat(np.cumsum(sizes[part]) - sizes[part], sizes[part])
                other = order[starts[keys[one] ^ flip] + within]
                distance = np.bitwise_count(hashes[one] ^ hashes[other]).astype(np.int64)
                close = (distance <= MAX_DISTANCE) & (np.abs(steps[one] - steps[other]) <= _MAX_STEPS) & (one != other)
                yield one[close], other[close], distance[close]


def _parts(sizes: Array) -> Iterator[slice]:
    """Cuts a sequence so that no part's sizes add up to much more than what memory should hold at once."""
    totals = np.cumsum(sizes)
    start = 0
    while start < len(sizes):
        before = totals[start - 1] if start else 0
        stop = max(start + 1, int(np.searchsorted(totals, before + _PAIRS_AT_ONCE, side="right")))
        yield slice(start, stop)
        start = stop
