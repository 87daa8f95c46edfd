"""Which split each image is in: by content, bound by an earlier dataset, and never on both sides of the evaluation."""

import dataclasses
from typing import TYPE_CHECKING, Any

import numpy as np

from graft.components.common.dataset import SPLITS, TEST, TRAIN, VALIDATION
from graft.components.common.errors import GraftError
from graft.components.ingest.config import IngestConfig
from graft.components.ingest.previous import Previous
from graft.components.ingest.twins import IDENTICAL, Twins, find_twins

if TYPE_CHECKING:
    import pyarrow as pa

Array = np.ndarray[Any, Any]

_HASH_DIGITS = 15
_FEW = 10
_NOWHERE = -1


def split_by_content(sha256: str, config: IngestConfig) -> str:
    """Assigns an image by its content alone, so that other images coming or going never move it.

    Args:
        sha256: Digest of its bytes.
        config: The step's settings.
    """
    place = int(sha256[:_HASH_DIGITS], 16) / 16**_HASH_DIGITS
    if place < config.validation_fraction:
        return VALIDATION
    return TEST if place < config.validation_fraction + config.test_fraction else TRAIN


@dataclasses.dataclass(frozen=True)
class Settled:
    """Where all images belong.

    Attributes:
        splits: int [N], index of each image's split in SPLITS; -1 for one that is left out.
        excluded: The images left out: path, reason, sha256, and their twin's path, sha256 and distance.
        duplicates: Pairs of twins, a dict each: path, split and label of both, distance, whether the bytes are identical, and
            whether the first was dropped.
        fractions: Asked and obtained share by class and split, of the images that were split by content.
        warnings: What a person should know, a sentence each.
    """

    splits: Array
    excluded: list[dict[str, Any]]
    duplicates: list[dict[str, Any]]
    fractions: dict[str, dict[str, dict[str, float]]]
    warnings: list[str]


def settle(table: "pa.Table", by_content: Array, previous: Previous | None, config: IngestConfig) -> Settled:
    """Finds twins, moves new images to the split of an old twin, and takes what leaks out of the training split.

    Args:
        table: The index's rows, with the splits that the images were given as they came.
        by_content: bool [N], true for images that have no split of the source's own.
        previous: An earlier dataset, whose splits bind; None for none.
        config: The step's settings.

    Raises:
        GraftError: Training images are also in validation or test, and `leaks` is `fail`.
    """
    rows = _Rows(table)
    splits = np.array([SPLITS.index(split) for split in rows.splits], np.int64)
    excluded: dict[int, tuple[int, int, str]] = {}
    if previous:
        excluded = _bind(rows, splits, by_content, previous, config)
    twins = rows.twins(splits)
    dropped = _leaks(rows, splits, twins, config) if config.leaks != "keep" else {}
    duplicates = _pairs(rows, splits, twins, set(dropped))
    splits[list(dropped)] = _NOWHERE
    fractions, warnings = _fractions(rows, splits, by_content, config)
    if mixed := sum(pair["label"] != pair["twin_label"] for pair in duplicates):
        warnings.append(f"{mixed} pairs of twins have different labels: one of the two is wrong.")
    left_out = [rows.left_out(number, *why) for number, why in sorted((excluded | dropped).items())]
    return Settled(splits, left_out, duplicates, fractions, warnings)


class _Rows:
    def __init__(self, table: "pa.Table") -> None:
        columns = table.select(["path", "sha256", "split", "label"]).to_pydict()
        self.paths, self.sha256s = columns["path"], columns["sha256"]
        self.splits, self.labels = columns["split"], columns["label"]
        self._contents = np.array([bytes.fromhex(sha256) for sha256 in self.sha256s], "S32")
        self._phashes = np.array([int(phash.as_py(), 16) for phash in table["phash"]], np.uint64)
        self._brightness = table["brightness"].to_numpy()

    def twins(self, groups: Array) -> Twins:
        return find_twins(self._contents, self._phashes, self._brightness, groups, len(SPLITS))

    def left_out(self, number: int, twin: int, distance: int, reason: str) -> dict[str, Any]:
        return {
            "path": self.paths[number],
            "reason": reason,
            "sha256": self.sha256s[number],
            "twin": self.paths[twin],
            "twin_sha256": self.sha256s[twin],
            "distance": max(distance, 0),
            "identical": distance == IDENTICAL,
        }


def _bind(
    rows: _Rows, splits: Array, by_content: Array, previous: Previous, config: IngestConfig
) -> dict[int, tuple[int, int, str]]:
    """Lets old images stay and new ones follow their twins; returns those that can't, with twin, distance and reason."""
    is_old = np.zeros(len(splits), bool)
    for number in np.flatnonzero(by_content):
        if split := previous.split(rows.sha256s[number]):
            splits[number], is_old[number] = SPLITS.index(split), True
    places = {sha256: number for number, sha256 in enumerate(rows.sha256s)}
    twins = rows.twins(np.where(is_old, splits, _NOWHERE))
    excluded: dict[int, tuple[int, int, str]] = {}
    for number in np.flatnonzero(by_content & ~is_old):
        found = [split for split in range(len(SPLITS)) if twins.twin[number, split] >= 0]
        before = previous.left_out(rows.sha256s[number]) if config.leaks == "drop" else None
        if before and before["twin_sha256"] in places:
            twin = places[before["twin_sha256"]]
            distance = IDENTICAL if before["identical"] else before["distance"]
            reason = f"was left out of an earlier dataset as the twin of {rows.paths[twin]!r}"
            excluded[int(number)] = (twin, distance, reason)
        elif len(found) > 1:
            names = " and of ".join(f"{rows.paths[twins.twin[number, split]]!r} in {SPLITS[split]}" for split in found)
            nearest = min(found, key=lambda split: twins.distance[number, split])
            reason = f"is new, and the twin of {names}, which an earlier dataset keeps apart"
            excluded[int(number)] = (int(twins.twin[number, nearest]), int(twins.distance[number, nearest]), reason)
        elif found:
            splits[number] = found[0]
    splits[list(excluded)] = _NOWHERE
    return excluded


def _leaks(rows: _Rows, splits: Array, twins: Twins, config: IngestConfig) -> dict[int, tuple[int, int, str]]:
    """Returns the training images that have a twin in validation or test, with it, its distance and the reason.

    Raises:
        GraftError: There are some, and they must not be.
    """
    leaks: dict[int, tuple[int, int, str]] = {}
    judged = [SPLITS.index(VALIDATION), SPLITS.index(TEST)]
    for number in np.flatnonzero((splits == SPLITS.index(TRAIN)) & (twins.twin[:, judged] >= 0).any(axis=1)):
        there = [split for split in judged if twins.twin[number, split] >= 0]
        split = min(there, key=lambda split: twins.distance[number, split])
        twin, distance = int(twins.twin[number, split]), int(twins.distance[number, split])
        alike = "the same as" if distance == IDENTICAL else "nearly the same as"
        leaks[int(number)] = (twin, distance, f"is {alike} {rows.paths[twin]!r} in {SPLITS[split]}")
    if leaks and config.leaks == "fail":
        shown = "; ".join(f"{rows.paths[number]!r} {reason}" for number, (_, _, reason) in list(leaks.items())[:3])
        raise GraftError(
            f"{len(leaks)} training images are also in validation or test: {shown}{' …' if len(leaks) > 3 else ''}. "
            "Remove them, or let --leaks drop leave them out of training."
        )
    return leaks


def _pairs(rows: _Rows, splits: Array, twins: Twins, dropped: set[int]) -> list[dict[str, Any]]:
    """Returns every image that has a twin with its nearest one, each pair once, what was dropped coming first."""
    distances = np.where(twins.twin >= 0, twins.distance, np.iinfo(np.int64).max)
    has_twin = np.flatnonzero((splits != _NOWHERE) & (twins.twin >= 0).any(axis=1))
    pairs: dict[tuple[int, int], tuple[int, int, int]] = {}
    for number in sorted(map(int, has_twin), key=lambda number: number not in dropped):
        order = np.argsort(distances[number], kind="stable")
        # Of a dropped image, the twin that it was dropped for.
        split = next(s for s in order if number not in dropped or s != SPLITS.index(TRAIN))
        twin = int(twins.twin[number, split])
        pairs.setdefault((min(number, twin), max(number, twin)), (number, twin, int(distances[number, split])))
    return [
        {
            "path": rows.paths[one],
            "split": SPLITS[splits[one]],
            "label": rows.labels[one],
            "twin": rows.paths[other],
            "twin_split": SPLITS[splits[other]],
            "twin_label": rows.labels[other],
            "distance": max(distance, 0),
            "identical": distance == IDENTICAL,
            "dropped": one in dropped,
        }
        for one, other, distance in pairs.values()
    ]


def _fractions(
    rows: _Rows, splits: Array, by_content: Array, config: IngestConfig
) -> tuple[dict[str, dict[str, dict[str, float]]], list[str]]:
    """Returns the asked and the obtained share of each class in each split, and warnings about classes too small for them."""
    asked = {VALIDATION: config.validation_fraction, TEST: config.test_fraction}
    asked = {TRAIN: 1 - sum(asked.values())} | {split: share for split, share in asked.items() if share}
    labels, chosen = np.array(rows.labels), by_content & (splits != _NOWHERE)
    fractions: dict[str, dict[str, dict[str, float]]] = {}
    warnings: list[str] = []
    for label in sorted(set(labels[chosen])):
        members = splits[chosen & (labels == label)]
        fractions[str(label)] = {}
        for split, share in asked.items():
            obtained = int((members == SPLITS.index(split)).sum())
            fractions[str(label)][split] = {"asked": round(share, 6), "obtained": round(obtained / len(members), 6)}
            if share * len(members) < _FEW:
                warnings.append(
                    f"Class {str(label)!r} has {len(members)} images, too few to give {split} its share of {share:g} other than by "
                    f"luck: it has {obtained} of them."
                )
    return fractions, warnings
