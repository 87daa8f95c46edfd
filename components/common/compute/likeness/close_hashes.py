"""Finding hashes that differ in few bits, among a million, without comparing all with all."""

from collections.abc import Callable, Iterator
from itertools import combinations
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]

MAX_DISTANCE = 10
"""Bits, of 64, in which the perceptual hashes of twins may differ: finds 97% of copies cropped by 3% a side."""

_MAX_STEPS = 2
# Two hashes that are at most ten bits apart differ in at most so many bits of one of their bands: otherwise they would in 2 + 3 + 3 + 3.
# The first band has the fewest lookups, since its bits are the least evenly spread: the very first one is always set.
_BAND_BITS, _MAX_FLIPS = 16, (1, 2, 2, 2)
# A hash tells of 8 × 8 frequencies. Those of a row or a column have much in common, so each band takes two of every one: its buckets are
# fuller than if all bits were even by 7 to 17%, not by 29 to 38%, among 3,000 photographs.
_ROWS, _COLUMNS = np.indices((8, 8)).reshape(2, 64)
_BANDS = np.argsort((_ROWS // 2 + _COLUMNS // 2) % len(_MAX_FLIPS), kind="stable")
_STEP_BITS = 6
_FEW = 2**12
_LOOKUPS_AT_ONCE, _PAIRS_AT_ONCE = 2**15, 2**16


def close_pairs(hashes: Array, steps: Array, seekers: Array) -> Iterator[Array]:
    """Yields all pairs of a seeker and another one whose hash and brightness are close, each once, with the distance: int32 [3, P].

    Hashes are looked up by their four bands of 16 bits, one of which differs in at most two bits (multi-index hashing: Norouzi,
    Punjani and Fleet, "Fast Search in Hamming Space with Multi-Index Hashing", CVPR 2012), and by brightness at the same time.

    Args:
        hashes: uint64 [N].
        steps: int32 [N], brightness in steps, 0 to 59.
        seekers: bool [N], true for those whose pairs are wanted.
    """
    hashes = _by_bands(hashes)
    for band in range(len(_MAX_FLIPS)):
        # Within a bucket they are sorted by brightness: those that are about as bright as one lie side by side.
        keys = _band(hashes, band) << _STEP_BITS | steps + _MAX_STEPS
        order = np.argsort(keys, kind="stable").astype(np.int32)
        keys = keys[order]
        ordered, seek = hashes[order], seekers[order]
        starts = _starts(keys)
        for flip, asking in _lookups(keys, seek, _MAX_FLIPS[band]):
            for begin in range(0, len(asking), _LOOKUPS_AT_ONCE):
                some = asking[begin : begin + _LOOKUPS_AT_ONCE]
                wanted = keys[some] ^ flip
                begins, ends = starts(wanted - _MAX_STEPS), starts(wanted + _MAX_STEPS + 1)
                for one, other in _within(ordered, some, begins, ends):
                    once = (one < other) | ~seek[other]
                    one, other = one[once], other[once]
                    bits = ordered[one] ^ ordered[other]
                    fresh = np.ones(len(bits), bool)
                    for earlier in range(band):
                        fresh &= np.bitwise_count(_band(bits, earlier)) > _MAX_FLIPS[earlier]
                    if fresh.any():
                        found = (order[one], order[other], np.bitwise_count(bits).astype(np.int32))
                        yield np.stack(found)[:, fresh]


def _lookups(keys: Array, seek: Array, most: int) -> Iterator[tuple[int, Array]]:
    """Yields which bits of keys to flip, and the places of those that are to look for others under the key that comes of it.

    If all are seekers, each pair of buckets is gone through once, from the one of the lower key.
    """
    asking = np.flatnonzero(seek).astype(np.int32)
    yield 0, asking
    bits = [1 << place for place in range(_STEP_BITS, _STEP_BITS + _BAND_BITS)]
    for place, highest in enumerate(bits):
        lower = asking[keys[asking] & highest == 0] if len(asking) == len(keys) else asking
        for further in range(most):
            for others in combinations(bits[:place], further):
                yield highest + sum(others), lower


def _starts(keys: Array) -> Callable[[Array], Array]:
    """Returns a function that says at which place keys begin among sorted ones, int32 [N]."""
    if len(keys) < _FEW:  # to go through a table of all keys would take longer than to search for each
        return lambda wanted: np.searchsorted(keys, wanted).astype(np.int32)
    starts = np.zeros(2 ** (_BAND_BITS + _STEP_BITS) + 1, np.int32)
    np.cumsum(np.bincount(keys, minlength=len(starts) - 1), dtype=np.int32, out=starts[1:])
    return starts.__getitem__


def _within(hashes: Array, asking: Array, begins: Array, ends: Array) -> Iterator[tuple[Array, Array]]:
    """Yields the pairs of places whose hashes are close.

    Args:
        hashes: uint64 [N], in the order of the places.
        asking: int [A], places.
        begins: int [A], for each the first place of those that it is compared with.
        ends: int [A], the place after the last one.
    """
    there = np.flatnonzero(ends > begins)
    asking, begins, sizes = asking[there], begins[there], ends[there] - begins[there]
    for part in _parts(sizes):
        totals = np.cumsum(sizes[part])
        other = np.repeat(begins[part] - (totals - sizes[part]), sizes[part])
        other += np.arange(len(other), dtype=np.int32)
        bits = np.repeat(hashes[asking[part]], sizes[part])
        bits ^= hashes[other]
        close = np.flatnonzero(np.bitwise_count(bits) <= MAX_DISTANCE)
        if len(close):
            yield asking[part][np.searchsorted(totals, close, side="right")], other[close]


def _by_bands(hashes: Array) -> Array:
    """Returns hashes with their bits in the order of the bands."""
    bits = np.unpackbits(hashes.astype(">u8").view(np.uint8).reshape(-1, 8), axis=1)
    return np.packbits(bits.take(_BANDS, axis=1), axis=1, bitorder="little").view("<u8").ravel()


def _band(hashes: Array, band: int) -> Array:
    return (hashes >> np.uint64(band * _BAND_BITS) & np.uint64(2**_BAND_BITS - 1)).astype(np.int32)


def _parts(sizes: Array) -> Iterator[slice]:
    """Cuts a sequence so that no part's sizes add up to much more than what memory should hold at once."""
    totals = np.cumsum(sizes)
    start = 0
    while start < len(sizes):
        before = totals[start - 1] if start else 0
        stop = max(start + 1, int(np.searchsorted(totals, before + _PAIRS_AT_ONCE, side="right")))
        yield slice(start, stop)
        start = stop
