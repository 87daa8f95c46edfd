"""Finding hashes that differ in few bits, among a million, without comparing all with all."""

from collections import deque
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import count, islice
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from graft.components.common.compute.machine import cores
from graft.components.common.errors import GraftError

Array = np.ndarray[Any, Any]

MAX_DISTANCE = 10
"""Bits, of 64, in which the perceptual hashes of twins may differ: finds 97% of copies cropped by 3% a side."""

_MAX_STEPS = 2
_PLACE_BITS = 26
# A hash tells of 8 × 8 frequencies. Those of a row or a column have much in common, so each half takes two neighbours of every one in
# turn, and no mask keeps the very first bit, which is always set. Of 3,000 photographs 25% more pairs agree under a mask
# than if all bits were even.
_ROWS, _COLUMNS = np.indices((8, 8)).reshape(2, 64)
_HALVES = np.argsort((_ROWS // 2 + _COLUMNS // 2 + 1) % 2, kind="stable")
_FIRST_HALF = np.uint64(2**32 - 1)
_AHEAD, _MANY = 12, 8
_BEHIND = _AHEAD + 1
# So many rows are compared at once that threads seldom wait for one another: with half as many, a million take 15% longer.
_ROWS_AT_ONCE, _PAIRS_AT_ONCE = 2**16, 2**14
# Each takes 24 bytes a hash, and 7 MB.
_SEARCHES_AT_ONCE = 4


@dataclass(frozen=True)
class _Memory:
    """What a search works in, allocated once for all that follow one another: new memory took a fifth of the time at a million.

    Attributes:
        keys: uint64 [N + `_BEHIND`].
        order: int64 [N].
        hashes: uint64 [N + `_BEHIND`].
        bits: uint64 [pairs].
        distances: uint8 [pairs].
    """

    keys: Array
    order: Array
    hashes: Array
    bits: Array
    distances: Array

    @classmethod
    def of(cls, count: int) -> "_Memory":
        """Returns what a search of so many hashes needs."""
        pairs = _AHEAD * min(count, _ROWS_AT_ONCE)
        return cls(
            np.empty(count + _BEHIND, np.uint64),
            np.empty(count, np.int64),
            np.empty(count + _BEHIND, np.uint64),
            np.empty(pairs, np.uint64),
            np.empty(pairs, np.uint8),
        )


def close_pairs(hashes: Array, steps: Array, seekers: Array) -> Iterator[Array]:
    """Yields all pairs of a seeker and another one whose hash and brightness are close, each once, with the distance: int32 [3, P].

    Hashes are sorted by what a mask keeps of them, and by brightness, and each is compared with those behind it that agree. Close ones
    agree under at least one of 93 masks (covering locality-sensitive hashing: Pagh, "Locality-Sensitive Hashing without False Negatives",
    SODA 2016).

    Args:
        hashes: uint64 [N], at most 2²⁶.
        steps: int32 [N], brightness in steps, 0 to 59.
        seekers: bool [N], true for those whose pairs are wanted.

    Raises:
        GraftError: There are more hashes.
    """
    if len(hashes) > 2**_PLACE_BITS:
        raise GraftError(
            f"{len(hashes):,} images are too many to search for twins: at most {2**_PLACE_BITS:,} can be in one dataset. Make several."
        )
    hashes = _by_halves(hashes)
    steps_and_places = steps.astype(np.uint64) << _PLACE_BITS | np.arange(len(hashes), dtype=np.uint64)
    masks = list(_masks())
    earlier = np.array([mask for mask, _ in masks])
    free = [_Memory.of(len(hashes)) for _ in range(_SEARCHES_AT_ONCE)]
    yield from _side_by_side(
        _close_under(mask, least, hashes, steps_and_places, seekers, earlier[:number], free)
        for number, (mask, least) in enumerate(masks)
    )


def _close_under(
    mask: np.uint64,
    least: int,
    hashes: Array,
    steps_and_places: Array,
    seekers: Array,
    earlier: Array,
    free: list[_Memory],
) -> Iterator[Array]:
    """Yields the close pairs that agree under a mask, and under none of the earlier ones, with the distance: int32 [3, P].

    It works in memory that is free, and gives it back.
    """
    end = len(hashes)
    memory = free.pop()
    keys, order = memory.keys, memory.order
    # Behind the last key come some that are far from all.
    keys[end:], memory.hashes[end:] = 2**64 - 1, 0
    np.bitwise_and(hashes, mask, out=keys[:end])
    if mask <= _FIRST_HALF:
        keys[:end] <<= 32
    keys[:end] |= steps_and_places
    keys.sort()
    np.bitwise_and(keys[:end], 2**_PLACE_BITS - 1, out=order.view(np.uint64))
    keys >>= _PLACE_BITS
    hashes.take(order, out=memory.hashes[:end], mode="clip")  # the mode "raise" would make a copy
    for one, other in gathered(_close_neighbours(memory, least), _PAIRS_AT_ONCE):
        one, other = order[one], order[other]
        bits = hashes[one] ^ hashes[other]
        fresh = (bits[:, None] & earlier).all(axis=1) & (seekers[one] | seekers[other])
        if fresh.any():
            yield np.stack([one, other, np.bitwise_count(bits)], dtype=np.int32, casting="same_kind")[:, fresh]
    free.append(memory)


def _side_by_side(searches: Iterator[Iterator[Array]]) -> Iterator[Array]:
    """Yields what all searches yield, in an order that doesn't depend on their speed; each in work is ahead by one array at most."""
    with ThreadPoolExecutor(min(cores(), _SEARCHES_AT_ONCE), "close-hashes") as threads:
        running = deque((search, threads.submit(next, search, None)) for search in islice(searches, _SEARCHES_AT_ONCE))
        while running:
            search, further = running.popleft()
            pairs = further.result()
            following = next(searches, None) if pairs is None else search
            if following is not None:
                running.append((following, threads.submit(next, following, None)))
            if pairs is not None:
                yield pairs


def gathered(parts: Iterator[Array], pairs: int) -> Iterator[Array]:
    """Yields arrays [K, P] joined to fewer and larger ones, of about so many pairs."""
    waiting: list[Array] = []
    size = 0
    for part in parts:
        waiting.append(part)
        size += part.shape[1]
        if size >= pairs:
            yield np.concatenate(waiting, axis=1)
            waiting, size = [], 0
    if waiting:
        yield np.concatenate(waiting, axis=1)


def _masks() -> Iterator[tuple[np.uint64, int]]:
    """Yields masks of 16 bits, under one of which at least two hashes agree that differ in at most ten bits.

    Such hashes differ in at most five bits of the first half, or in at most four of the second one. A bit of a half stands for a vector of
    one binary digit more than that, and so does a mask, which keeps the bits whose product with it is odd. However the five bits lie, there
    is a vector at right angles to all of theirs: its mask keeps none of them.

    With each mask comes in how many bits of the first half two hashes differ at least that agree under it, and under no earlier one.
    Vectors at right angles to those of n bits are a space of at least 6 - n dimensions, whose least one is below 2ⁿ⁺¹.
    """
    for radius, lowest in ((5, 32), (4, 0)):
        vectors = np.arange(lowest, lowest + 32)
        for own in range(1, 2 ** (radius + 1)):
            kept = np.bitwise_count(vectors & own) % 2
            if not kept.all():  # who agrees in all bits agrees under the first mask
                mask = np.packbits(kept, bitorder="little").view("<u4").astype(np.uint64)[0]
                yield (mask, own.bit_length() - 1) if radius == 5 else (mask << 32, 6)


def _close_neighbours(memory: _Memory, least: int) -> Iterator[Array]:
    """Yields the places of hashes that are close, and whose keys are at most `_MAX_STEPS` apart: int [2, P].

    Args:
        memory: The sorted keys, and the hashes in their order.
        least: In so many bits of their first halves they differ at least.
    """
    keys, hashes = memory.keys, memory.hashes
    end = len(keys) - _BEHIND
    behind = sliding_window_view(hashes, _AHEAD).T
    for begin in range(0, end, _ROWS_AT_ONCE):
        first, last = begin, min(begin + _ROWS_AT_ONCE, end)
        rows = np.arange(first, last)
        for further in count(1, _AHEAD):
            beyond = further + _AHEAD
            if last - first < _MANY * len(rows):
                # To compare all from the first to the last one takes less than to choose.
                rows = np.arange(first, last)
                bits = memory.bits[: _AHEAD * len(rows)]
                others = behind[:, first + further : last + further]
                np.bitwise_xor(others, hashes[first:last], out=bits.reshape(_AHEAD, -1))
                gaps = keys[first + beyond : last + beyond] - keys[first:last]
            else:
                bits = (hashes[rows + np.arange(further, beyond)[:, None]] ^ hashes[rows]).ravel()
                gaps = keys[rows + beyond] - keys[rows]
            distances = np.bitwise_count(bits, out=memory.distances[: len(bits)])
            close = np.flatnonzero(np.less_equal(distances, MAX_DISTANCE, out=distances.view(bool)))
            close = close[np.bitwise_count(bits[close] & _FIRST_HALF) >= least]
            one = rows[close % len(rows)]
            other = one + close // len(rows) + further
            yield np.stack([one, other])[:, keys[other] - keys[one] <= _MAX_STEPS]
            rows = rows[gaps <= _MAX_STEPS]
            if not len(rows):
                break
            first, last = rows[0], rows[-1] + 1


def _by_halves(hashes: Array) -> Array:
    """Returns hashes with their bits in the order of the halves, the first one in the lower bits."""
    ordered = np.zeros_like(hashes)
    for number, of_byte in enumerate(_OF_BYTES):
        ordered |= of_byte[(hashes >> np.uint64(8 * number)).astype(np.uint8)]
    return ordered


def _bits_by_halves(hashes: Array) -> Array:
    bits = np.unpackbits(hashes.astype(">u8").view(np.uint8).reshape(-1, 8), axis=1)
    return np.packbits(bits.take(_HALVES, axis=1), axis=1, bitorder="little").view("<u8").ravel()


# What each of a hash's eight bytes adds to it once its bits are in order.
_OF_BYTES = _bits_by_halves(
    (np.arange(256, dtype=np.uint64) << 8 * np.arange(8, dtype=np.uint64)[:, None]).ravel()
).reshape(8, 256)
