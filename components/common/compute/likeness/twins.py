"""Finding images that are the same, byte by byte or to the eye, in less than quadratic time."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from graft.components.common.compute.likeness.close_hashes import close_pairs, gathered
from graft.components.common.compute.likeness.miniatures import Miniatures, same_picture

Array = np.ndarray[Any, Any]

IDENTICAL = -1
"""The distance of images whose bytes are the same."""

# Copies of an image are about as bright as it is; other images with a like hash, of little detail most of them, are often not.
_BRIGHTNESS_STEP = 8
_PROOFS_AT_ONCE = 2**18
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
    contents: Array,
    phashes: Array,
    brightness: Array,
    groups: Array,
    count: int,
    seeking: Array | None = None,
    miniatures: Miniatures | None = None,
) -> Twins:
    """Finds every image's nearest twin in every group of images, such as the splits.

    Near twins have perceptual hashes at most `MAX_DISTANCE` bits apart, a like mean brightness, and miniatures that show the same
    picture.

    Args:
        contents: int [N], 0 to N - 1, the same number for the same bytes.
        phashes: uint64 [N] perceptual hashes.
        brightness: float [N] mean luma, 0 to 255.
        groups: int [N] group of each image, 0 to count - 1; -1 for images that are nobody's twin, but may have twins.
        count: How many groups there are.
        seeking: bool [N], true for the images whose twins are wanted, and may be missing of others; None for all.
        miniatures: The images' miniatures; None if they are not known: then hash and brightness decide alone.
    """
    images, look_of, hashes, steps = _looks(phashes, brightness, miniatures)
    nearest = _Nearest(
        np.stack([_first(look_of, np.flatnonzero(groups == group), len(hashes)) for group in range(count)], axis=1)
    )
    seekers = np.zeros(len(hashes), bool)
    seekers[look_of if seeking is None else look_of[seeking]] = True
    close = (pairs[:, nearest.improved_by(pairs)] for pairs in close_pairs(hashes, steps, seekers))
    for pairs in _proven(close, images, miniatures) if miniatures else close:
        nearest.take(pairs)
    twin = np.full((len(phashes), count), -1, np.int32)
    distance = np.zeros((len(phashes), count), np.int8)
    have = np.flatnonzero((nearest.keys != _NONE).any(axis=1)[look_of])
    found = nearest.keys[look_of[have]]
    near = found != _NONE
    twin[have] = np.where(near, found & (1 << _PLACE_BITS) - 1, -1)
    distance[have] = np.where(near, found >> _PLACE_BITS, 0)
    for same, bits in ((look_of, 0), (contents, IDENTICAL)):
        shared = np.flatnonzero((np.bincount(same) > 1)[same])
        for group in range(count):
            other = _another(same, shared[groups[shared] == group], shared)
            there = other >= 0
            twin[shared[there], group], distance[shared[there], group] = other[there], bits
    return Twins(twin, distance)


def number_pictures(phashes: Array, brightness: Array, miniatures: Miniatures | None = None) -> Array:
    """Numbers the pictures that images show: near twins, and twins of twins, are one picture.

    Args:
        phashes: uint64 [N] perceptual hashes.
        brightness: float [N] mean luma, 0 to 255.
        miniatures: The images' miniatures; None if they are not known: then hash and brightness decide alone.

    Returns:
        int64 [N], the pictures, from 0.
    """
    images, look_of, hashes, steps = _looks(phashes, brightness, miniatures)
    pictures = np.arange(len(hashes))
    close = (
        pairs[:, pictures[pairs[0]] != pictures[pairs[1]]]
        for pairs in close_pairs(hashes, steps, np.ones(len(hashes), bool))
    )
    for one, other, _ in _proven(close, images, miniatures) if miniatures else close:
        pictures = _joined(pictures[one], pictures[other], len(hashes))[pictures]
    return pictures[look_of]


def _joined(one: Array, other: Array, count: int) -> Array:
    """Returns the numbers of what pairs join, directly or through others: int64 [count]."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    graph = coo_array((np.ones(len(one)), (one, other)), (count, count))
    return np.asarray(connected_components(graph, directed=False)[1], np.int64)


def first_alike(values: Array) -> Array:
    """Returns the place of the first one of each value: int64 [N]."""
    places = np.arange(len(values))
    ordered = np.sort(values)
    shared = np.unique(ordered[1:][ordered[1:] == ordered[:-1]])
    if len(shared):
        number = np.minimum(np.searchsorted(shared, values), len(shared) - 1)
        copies = np.flatnonzero(shared[number] == values)[::-1]
        first = np.empty(len(shared), np.int64)
        first[number[copies]] = copies
        places[copies] = first[number[copies]]
    return places


def _looks(phashes: Array, brightness: Array, miniatures: Miniatures | None) -> tuple[Array, Array, Array, Array]:
    """Tells apart how images look, since many may look the same, as blank ones do: each look is searched for once.

    Returns:
        The first image of each look, ascending, int [looks]; the look of each image, int [N]; and of each look the hash and the brightness
        in steps, uint64 and int32 [looks].
    """
    steps = np.round(brightness / _BRIGHTNESS_STEP).astype(np.int32)
    marks = miniatures.marks if miniatures else np.zeros(len(phashes), np.uint64)
    images, look_of = _first_looks(phashes, steps, marks)
    return images, look_of, phashes[images], steps[images]


def _first_looks(*parts: Array) -> tuple[Array, Array]:
    """Returns the first image of each look, ascending, and the look of each image: int [looks], int [N].

    Args:
        parts: [N] each, what makes up a look; few share the first one.
    """
    first = first_alike(parts[0])
    images = np.arange(len(first))
    # Only those that share the first part have to be told apart by the others.
    shared = np.flatnonzero((np.bincount(first) > 1)[first])
    order = shared[np.lexsort([part[shared] for part in parts[::-1]])]
    if len(order):
        starts = np.append(True, np.any([part[order[1:]] != part[order[:-1]] for part in parts], axis=0))
        first[order] = order[starts][np.cumsum(starts) - 1]
    is_first = first == images
    return images[is_first], (np.cumsum(is_first) - 1)[first]


class _Nearest:
    """The nearest twin of every look in every group, as far as they are found.

    Args:
        members: int [looks, groups], number of an image of each look in each group, or -1.

    Attributes:
        keys: int64 [looks, groups], distance and number of the nearest one; `_NONE` where there is none.
    """

    def __init__(self, members: Array) -> None:
        self._members = members
        self.keys = np.full(members.shape, _NONE)

    def improved_by(self, pairs: Array) -> Array:
        """Returns which pairs are nearer than what either look has: bool [P].

        Args:
            pairs: int [3, P], two looks and the distance of their hashes.
        """
        better = np.zeros(pairs.shape[1], bool)
        for look, keys in self._both_ways(pairs):
            better |= (keys < self.keys[look]).any(axis=1)
        return better

    def take(self, pairs: Array) -> None:
        """Takes pairs, int [3, P], as twins of one another."""
        for look, keys in self._both_ways(pairs):
            np.minimum.at(self.keys, look, keys)

    def _both_ways(self, pairs: Array) -> Iterator[tuple[Array, Array]]:
        one, other, distance = pairs
        for look, twin in ((one, other), (other, one)):
            members = self._members[twin]
            yield look, np.where(members >= 0, distance[:, None].astype(np.int64) << _PLACE_BITS | members, _NONE)


def _first(kinds: Array, numbers: Array, count: int) -> Array:
    """Returns the first one of some images, by their numbers, of each kind, or -1: int32 [count]."""
    first = np.full(count, -1, np.int32)
    first[kinds[numbers[::-1]]] = numbers[::-1]
    return first


def _another(kinds: Array, among: Array, images: Array) -> Array:
    """Returns for each of some images another one of its kind among others, the first one, or -1: int32 [images]."""
    count = len(kinds)
    first = _first(kinds, among, count)
    second = _first(kinds, among[first[kinds[among]] != among], count)
    kinds = kinds[images]
    return np.where(first[kinds] == images, second[kinds], first[kinds])


def _proven(close: Iterator[Array], images: Array, miniatures: Miniatures) -> Iterator[Array]:
    """Yields those of close pairs whose miniatures show the same picture.

    Args:
        close: The pairs, int32 [3, P].
        images: int [looks], number of an image of each look.
        miniatures: The images' miniatures.
    """
    for pairs in gathered(close, _PROOFS_AT_ONCE):
        looks, numbers = np.unique(pairs[:2], return_inverse=True)
        one, other = numbers.reshape(2, -1)
        yield pairs[:, same_picture(miniatures.read(images[looks]), one, other)]
