"""Rows of an index as a million photographs would have them, without the photographs."""

import hashlib
from collections.abc import Iterator
from typing import Any

import numpy as np

from graft.components.common.artifacts.dataset import TRAIN
from graft.components.common.compute.likeness.miniatures import SIDE
from graft.components.ingest.dataset.collected_rows import IndexRow

Array = np.ndarray[Any, Any]

CLASSES = [f"class {number}" for number in range(10)]
PLANTED = 30
"""So many exact copies are planted, and as many near ones."""

_AT_ONCE = 2**12
SHARD_IMAGES = 5_000
_WAVES = 8
# What frequencies of a row, and of a column, have in common. With these shares hashes collide in two rows 2.1, 2.1, 2.1 and 3.7 times as
# often as if all bits were even (1.4, 2.1, 1.9 and 3.1 times among the 3,000 photographs of cats and dogs), under the masks of the search
# 1.28 times (1.25 times), and as many pairs are close.
_ROW_SHARE, _COLUMN_SHARE = 0.75, 0.55
_BRIGHTNESS, _BRIGHTNESS_SPREAD = 116, 27
_CONTRAST, _DETAIL = 90, 6


def rows(count: int) -> Iterator[list[IndexRow]]:
    """Yields so many rows, some thousands at a time, in the order of the paths. The last ones are copies of the first ones."""
    strangers = count - 2 * PLANTED
    originals: list[IndexRow] = []
    for start in range(0, strangers, _AT_ONCE):
        numbers = range(start, min(start + _AT_ONCE, strangers))
        batch = [
            _row(number, hashlib.sha256(b"%d" % number).hexdigest(), *looks)
            for number, looks in zip(numbers, _looks(start, len(numbers)), strict=True)
        ]
        originals += batch[: 2 * PLANTED - len(originals)]
        yield batch
    yield [_copy(original, strangers + number, exact=number < PLANTED) for number, original in enumerate(originals)]


def planted(count: int) -> set[frozenset[str]]:
    """Returns the paths of each original and its copy among so many rows."""
    return {frozenset((_path(number), _path(count - 2 * PLANTED + number))) for number in range(2 * PLANTED)}


def paths(count: int) -> Iterator[str]:
    """Yields the paths of so many images in the folders of their classes."""
    return (_path(number) for number in range(count))


def predictions(count: int) -> tuple[Array, Array]:
    """Returns float32 [N, classes] probabilities of a model that is often right, and int64 [N] labels."""
    rng = np.random.default_rng(1)
    labels = np.arange(count) % len(CLASSES)
    scores = rng.standard_normal((count, len(CLASSES)), dtype=np.float32)
    scores[np.arange(count), labels] += 2
    scores = np.exp(scores)
    return scores / scores.sum(axis=1, keepdims=True), labels


def _path(number: int) -> str:
    return f"{CLASSES[number % len(CLASSES)]}/photograph {number:08}.jpg"


def _row(number: int, sha256: str, brightness: float, phash: str, miniature: bytes) -> IndexRow:
    record = number % SHARD_IMAGES
    looks = (640, 480, brightness, phash, miniature, "", f"30000 {number}")
    place = (number // SHARD_IMAGES, record, 30_000 * record)
    return IndexRow(sha256, _path(number), TRAIN, CLASSES[number % len(CLASSES)], *looks, *place)


def _copy(original: IndexRow, number: int, *, exact: bool) -> IndexRow:
    if exact:
        return _row(number, original.sha256, original.brightness, original.phash, original.miniature)
    # Encoded anew and a little brighter; its hash has as many bits set as before.
    phash = int(original.phash, 16)
    for bit in _bits_to_flip(phash, number % 4 + 1):
        phash ^= 1 << bit
    picture = np.frombuffer(original.miniature, np.uint8).astype(int)
    miniature = np.clip(picture + 1 + np.arange(SIDE**2) % 2, 0, 255).astype(np.uint8).tobytes()
    digest = hashlib.sha256(b"copy %d" % number).hexdigest()
    return _row(number, digest, original.brightness + 1.5, f"{phash:016x}", miniature)


def _bits_to_flip(phash: int, pairs: int) -> list[int]:
    bits = {value: [bit for bit in range(64) if phash >> bit & 1 == value] for value in (0, 1)}
    return bits[0][3 : 3 + 4 * pairs : 4] + bits[1][2 : 2 + 4 * pairs : 4]


def _looks(seed: int, count: int) -> Iterator[tuple[float, str, bytes]]:
    """Yields brightness, hash and miniature of strangers whose miniatures show what their hashes tell: which cosines they are made of."""
    rng = np.random.default_rng([0, seed])
    row, column = np.divmod(np.arange(_WAVES**2), _WAVES)
    shared = rng.standard_normal((count, 32), dtype=np.float32)
    waves = rng.standard_normal((count, _WAVES**2), dtype=np.float32)
    waves += _ROW_SHARE * shared[:, row * 2 + column % 2] + _COLUMN_SHARE * shared[:, 16 + row % 2 * _WAVES + column]
    waves[:, 0] = np.inf  # the mean is always above the median
    bits = waves > np.median(waves, axis=1, keepdims=True)
    hashes = np.packbits(bits, axis=1).view(">u8").ravel()
    waves[:, 0] = 0
    weaker = (_CONTRAST / (1 + row**2 + column**2) ** 0.75).astype(np.float32)
    cosines = np.cos(np.pi / SIDE * np.outer(np.arange(_WAVES), np.arange(SIDE) + 0.5))
    shown = (waves * weaker) @ np.kron(cosines, cosines).astype(np.float32)
    brightness = np.clip(rng.normal(_BRIGHTNESS, _BRIGHTNESS_SPREAD, count), 0, 255).astype(np.float32)
    shown += brightness[:, None] + _DETAIL * rng.standard_normal(shown.shape, dtype=np.float32)
    miniatures = np.clip(shown, 0, 255).astype(np.uint8)
    for mean, phash, miniature in zip(brightness.tolist(), hashes.tolist(), miniatures, strict=True):
        yield mean, f"{phash:016x}", miniature.tobytes()
