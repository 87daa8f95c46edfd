"""Leakage: training images that are also in validation or test, the same or nearly, and all other twins."""

import numpy as np

from graft.components.common.artifacts.dataset import SPLITS, TEST, TRAIN, VALIDATION, TwinPair
from graft.components.common.compute.likeness.twins import IDENTICAL, Twins
from graft.components.common.errors import GraftError
from graft.components.ingest.config import Leaks
from graft.components.ingest.dataset.image_arrays import NOWHERE, Array, ImageArrays, LeftOut

_NO_DISTANCE = 64 + 1  # more than 64-bit hashes can differ by


def find_leaks(images: ImageArrays, splits: Array, twins: Twins, leaks: Leaks) -> dict[int, LeftOut]:
    """Finds the training images that have a twin in validation or test.

    Args:
        images: All images.
        splits: int [N], index of each image's split in SPLITS; NOWHERE for one that is left out.
        twins: Their twins.
        leaks: What happens to them, as in the settings.

    Returns:
        Those to leave out, by number.

    Raises:
        GraftError: There are some, and `leaks` is `fail`.
    """
    if leaks == "keep":
        return {}
    found: dict[int, LeftOut] = {}
    judged = [SPLITS.index(VALIDATION), SPLITS.index(TEST)]
    for number in np.flatnonzero((splits == SPLITS.index(TRAIN)) & (twins.twin[:, judged] >= 0).any(axis=1)).tolist():
        there = [split for split in judged if twins.twin[number, split] >= 0]
        split = min(there, key=lambda split: twins.distance[number, split])
        twin, distance = int(twins.twin[number, split]), int(twins.distance[number, split])
        alike = "the same as" if distance == IDENTICAL else "nearly the same as"
        found[number] = LeftOut(twin, distance, f"is {alike} {images.path(twin)!r} in {SPLITS[split]}")
    if found and leaks == "fail":
        shown = "; ".join(f"{images.path(number)!r} {why.reason}" for number, why in list(found.items())[:3])
        raise GraftError(
            f"{len(found)} training images are also in validation or test: {shown}{' …' if len(found) > 3 else ''}. "
            "Remove them from the source, or use --leaks drop to leave them out of training. If they only look alike, use "
            "--leaks keep."
        )
    return found


def pair_twins(images: ImageArrays, splits: Array, twins: Twins, leaks: dict[int, LeftOut]) -> list[TwinPair]:
    """Pairs every image that has a twin with its nearest one; each pair comes once, those of dropped images first.

    Args:
        images: All images.
        splits: int [N], as in `find_leaks`, before the leaks are taken out.
        twins: Their twins.
        leaks: The images that are dropped.
    """
    distances = np.where(twins.twin >= 0, twins.distance, np.int8(_NO_DISTANCE))
    has_twin = np.flatnonzero((splits != NOWHERE) & (twins.twin >= 0).any(axis=1)).tolist()
    pairs: dict[tuple[int, int], tuple[int, int, int]] = {}
    for number in sorted(has_twin, key=lambda number: number not in leaks):
        order = np.argsort(distances[number], kind="stable")
        # Of a dropped image, the twin that it was dropped for.
        split = next(s for s in order if number not in leaks or s != SPLITS.index(TRAIN))
        twin = int(twins.twin[number, split])
        pairs.setdefault((min(number, twin), max(number, twin)), (number, twin, int(distances[number, split])))
    return [
        TwinPair(
            path=images.path(one),
            split=SPLITS[splits[one]],
            label=images.label(one),
            twin=images.path(other),
            twin_split=SPLITS[splits[other]],
            twin_label=images.label(other),
            distance=max(distance, 0),
            identical=distance == IDENTICAL,
            dropped=one in leaks,
        )
        for one, other, distance in pairs.values()
    ]
