"""All pairs of close hashes are found, and no others, however they are spread over the halves."""

import threading

import numpy as np
import pytest

from graft.components.common.compute.likeness import close_hashes
from graft.components.common.compute.likeness.close_hashes import MAX_DISTANCE, close_pairs
from graft.components.common.errors import GraftError

MAX_STEPS = 2
# The bits of each half: of the 8 × 8 frequencies, the first of which is the highest bit, two of each row and of each column in turn.
ROWS, COLUMNS = np.divmod(63 - np.arange(64), 8)
HALVES = np.argsort((ROWS // 2 + COLUMNS // 2 + 1) % 2, kind="stable").reshape(2, 32).astype(np.uint64)


def all_with_all(hashes, steps, seekers):
    """The pairs as sets of two and their distance, by comparing all with all."""
    found = {}
    for one, hash_ in enumerate(hashes[:-1]):
        distances = np.bitwise_count(hashes[one + 1 :] ^ hash_)
        like = (np.abs(steps[one + 1 :] - steps[one]) <= MAX_STEPS) & (seekers[one + 1 :] | seekers[one])
        for other in np.flatnonzero((distances <= MAX_DISTANCE) & like):
            found[one, int(other) + one + 1] = int(distances[other])
    return found


def pairs(hashes, steps, seekers):
    parts = [part.T.tolist() for part in close_pairs(hashes, steps, seekers)]
    found = [(tuple(sorted((one, other))), distance) for part in parts for one, other, distance in part]
    assert len(dict(found)) == len(found), "each pair once"
    return dict(found)


def strangers(rng, count):
    return rng.integers(0, 2**64, count, dtype=np.uint64)


def flipped(rng, hashes, least, most):
    """Each hash with so many bits flipped, any ones."""
    order = np.argsort(rng.random((len(hashes), 64)), axis=1).astype(np.uint64)
    bits = np.uint64(1) << order
    bits[np.arange(64) >= rng.integers(least, most + 1, (len(hashes), 1))] = 0
    return hashes ^ np.bitwise_or.reduce(bits, axis=1)


def unevenly(rng, hashes):
    """Each hash with so many bits of each half flipped that few masks find them, or none: eleven are too many."""
    counts = ((5, 5), (6, 4), (5, 4), (4, 6), (7, 3), (10, 0), (0, 10), (6, 5), (5, 6), (11, 0))
    result = hashes.copy()
    for number in range(len(hashes)):
        for half, flips in enumerate(counts[number % len(counts)]):
            for bit in rng.choice(HALVES[half], flips, replace=False):
                result[number] ^= np.uint64(1) << bit
    return result


def in_one_bucket(rng, count):
    """Hashes that hardly differ."""
    return strangers(rng, count) & np.uint64(0x0000_0000_0F0F_FFFF)


INPUTS = {
    "copies of strangers": lambda rng, count: flipped(rng, np.repeat(strangers(rng, count // 4), 4), 0, 14),
    "spread over the halves": lambda rng, count: np.concatenate(
        [half := strangers(rng, count // 2), unevenly(rng, half)]
    ),
    "in one bucket": lambda rng, count: in_one_bucket(rng, count // 4),
    "at the ends": lambda rng, count: flipped(rng, np.array([0, 2**64 - 1] * (count // 8), np.uint64), 0, 7),
}


@pytest.mark.parametrize("share", [1, 0.02])
@pytest.mark.parametrize("count", [1200, 4800], ids=["few", "many"])
@pytest.mark.parametrize("make", INPUTS.values(), ids=INPUTS)
def test_all_close_pairs_and_no_others_are_found(monkeypatch, make, count, share):
    monkeypatch.setattr(close_hashes, "_ROWS_AT_ONCE", 1000)
    rng = np.random.default_rng(count)
    hashes = make(rng, count)
    # Few brightnesses, the least and the greatest among them.
    steps = rng.choice([0, 1, 2, 3, 5, 15, 30, 32], len(hashes)).astype(np.int32)
    seekers = rng.random(len(hashes)) < share
    expected = all_with_all(hashes, steps, seekers)
    assert expected
    assert pairs(hashes, steps, seekers) == expected


def test_nothing_is_found_among_none_or_one():
    for count in (0, 1):
        assert pairs(np.zeros(count, np.uint64), np.zeros(count, np.int32), np.ones(count, bool)) == {}


def test_more_than_the_places_of_a_key_are_refused(monkeypatch):
    monkeypatch.setattr(close_hashes, "_PLACE_BITS", 3)
    with pytest.raises(GraftError, match="9 images are too many to search for twins: at most 8 can be in one dataset"):
        pairs(np.zeros(9, np.uint64), np.zeros(9, np.int32), np.ones(9, bool))
    assert len(pairs(np.zeros(8, np.uint64), np.zeros(8, np.int32), np.ones(8, bool))) == 28


def test_a_search_that_is_given_up_ends():
    hashes = np.zeros(300, np.uint64)
    search = close_pairs(hashes, np.zeros(300, np.int32), np.ones(300, bool))
    assert len(next(search)) == 3
    search.close()
    assert not [thread.name for thread in threading.enumerate() if thread.name.startswith("close-hashes")]


def test_what_goes_wrong_in_a_thread_is_raised(monkeypatch):
    monkeypatch.setattr(close_hashes, "_close_neighbours", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        pairs(np.zeros(9, np.uint64), np.zeros(9, np.int32), np.ones(9, bool))


def test_the_order_does_not_depend_on_the_threads():
    rng = np.random.default_rng(0)
    hashes = np.concatenate([in_one_bucket(rng, 400), flipped(rng, strangers(rng, 400), 0, 3)])
    steps, seekers = np.zeros(800, np.int32), np.ones(800, bool)
    first, *others = ([part.tolist() for part in close_pairs(hashes, steps, seekers)] for _ in range(4))
    assert len(first) > 1
    assert all(other == first for other in others)
