"""Which split each image is in: by content, bound by an earlier dataset, and never on both sides of the evaluation."""

import dataclasses
from collections.abc import Iterator
from typing import Any

import numpy as np

from graft.components.common.artifacts.dataset import SPLITS, TEST, TRAIN, VALIDATION
from graft.components.common.compute.twins import IDENTICAL, Twins, find_twins
from graft.components.common.errors import GraftError
from graft.components.ingest.config import IngestConfig
from graft.components.ingest.dataset.collected_rows import CollectedRows
from graft.components.ingest.dataset.previous_dataset import PreviousDataset

Array = np.ndarray[Any, Any]

_HASH_DIGITS = 15
_FEW = 10
_FAR = 0.1
_NOWHERE = -1
_NO_DISTANCE = 64 + 1  # more than 64-bit hashes can differ by


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
class SplitAssignment:
    """Where all images belong.

    Attributes:
        splits: int [N], index of each image's split in SPLITS; -1 for one that is left out.
        excluded: The images left out: path, label, reason, sha256, and their twin's path, sha256 and distance.
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


def assign_splits(
    collected: CollectedRows, by_content: Array, previous: PreviousDataset | None, config: IngestConfig
) -> SplitAssignment:
    """Finds twins, moves new images to the split of an old twin, and takes what leaks out of the training split.

    Args:
        collected: The index's rows, with the splits that the images were given as they came.
        by_content: bool [N], true for images that have no split of the source's own.
        previous: An earlier dataset, whose splits bind; None for none.
        config: The step's settings.

    Raises:
        GraftError: Training images are also in validation or test, and `leaks` is `fail`.
    """
    rows = _Known(collected)
    splits = rows.splits.copy()
    excluded: dict[int, tuple[int, int, str]] = {}
    if previous:
        excluded = _bind(rows, splits, by_content, previous, config)
    twins = rows.twins(splits)
    dropped = _leaks(rows, splits, twins, config) if config.leaks != "keep" else {}
    duplicates = _pairs(rows, splits, twins, set(dropped))
    splits[list(dropped)] = _NOWHERE
    fractions, warnings = _fractions(rows, splits, by_content, config, bound=previous is not None)
    if mixed := sum(pair["label"] != pair["twin_label"] for pair in duplicates):
        warnings.append(f"Twins have different labels, of which one must be wrong: {mixed} of {len(duplicates)} pairs.")
    left_out = [rows.left_out(number, *why) for number, why in sorted((excluded | dropped).items())]
    return SplitAssignment(splits, left_out, duplicates, fractions, warnings)


class _Known:
    """What the rows say that decides about splits, and the names of those that have twins."""

    def __init__(self, rows: CollectedRows) -> None:
        count = len(rows)
        self._rows = rows
        self._names: dict[int, tuple[str, str]] = {}
        self.splits, self.labels = np.empty(count, np.int8), np.empty(count, np.int32)
        self._phashes, self._brightness = np.empty(count, np.uint64), np.empty(count, np.float32)
        digests, labels, start = np.empty(count, np.uint64), dict[str, int](), 0
        for batch in rows.batches("split", "label", "phash", "brightness", "sha256"):
            part = slice(start, start := start + len(batch))
            self.splits[part] = [SPLITS.index(split) for split in batch["split"].to_pylist()]
            self.labels[part] = [labels.setdefault(label, len(labels)) for label in batch["label"].to_pylist()]
            self._phashes[part] = [int(phash, 16) for phash in batch["phash"].to_pylist()]
            self._brightness[part] = batch["brightness"]
            digests[part] = [int.from_bytes(digest[:8]) for digest in batch["sha256"].to_pylist()]
        self.label_names = list(labels)
        # The first 64 bits of digests are as good as all of them: images that share them look the same as well.
        _, self._contents = np.unique(digests, return_inverse=True)

    def contents(self) -> Iterator[str]:
        """Yields the digests of all images."""
        for batch in self._rows.batches("sha256"):
            yield from (digest.hex() for digest in batch["sha256"].to_pylist())

    def twins(self, groups: Array) -> Twins:
        """Finds twins, and the names of all that have or are one."""
        twins = find_twins(self._contents, self._phashes, self._brightness, groups, len(SPLITS))
        there = twins.twin >= 0
        self.name(np.union1d(np.flatnonzero(there.any(axis=1)), twins.twin[there]))
        return twins

    def name(self, numbers: Array) -> None:
        """Reads paths and digests of some images."""
        named = self._rows.take(numbers, "path", "sha256").to_pydict()
        pairs = zip(named["path"], map(bytes.hex, named["sha256"]), strict=True)
        self._names.update(zip(numbers.tolist(), pairs, strict=True))

    def path(self, number: int) -> str:
        return self._names[number][0]

    def sha256(self, number: int) -> str:
        return self._names[number][1]

    def label(self, number: int) -> str:
        return str(self.label_names[self.labels[number]])

    def left_out(self, number: int, twin: int, distance: int, reason: str) -> dict[str, Any]:
        return {
            "path": self.path(number),
            "label": self.label(number),
            "reason": reason,
            "sha256": self.sha256(number),
            "twin": self.path(twin),
            "twin_sha256": self.sha256(twin),
            "distance": max(distance, 0),
            "identical": distance == IDENTICAL,
        }


def _bind(
    rows: _Known, splits: Array, by_content: Array, previous: PreviousDataset, config: IngestConfig
) -> dict[int, tuple[int, int, str]]:
    """Lets old images stay and new ones follow their twins; returns those that can't, with twin, distance and reason."""
    is_old = np.zeros(len(splits), bool)
    before: dict[int, dict[str, Any]] = {}
    for number, sha256 in enumerate(rows.contents()):
        if not by_content[number]:
            continue
        if split := previous.split(sha256):
            splits[number], is_old[number] = SPLITS.index(split), True
        elif config.leaks == "drop" and (entry := previous.left_out(sha256)):
            before[number] = entry
    excluded = _still_left_out(rows, before)
    twins = rows.twins(np.where(is_old, splits, _NOWHERE))
    for number in np.flatnonzero(by_content & ~is_old).tolist():
        found = [split for split in range(len(SPLITS)) if twins.twin[number, split] >= 0]
        if number in excluded:
            continue
        if len(found) > 1:
            names = " and of ".join(
                f"{rows.path(int(twins.twin[number, split]))!r} in {SPLITS[split]}" for split in found
            )
            nearest = min(found, key=lambda split: twins.distance[number, split])
            reason = f"is new, and the twin of {names}, which an earlier dataset keeps apart"
            excluded[number] = (int(twins.twin[number, nearest]), int(twins.distance[number, nearest]), reason)
        elif found:
            splits[number] = found[0]
    splits[list(excluded)] = _NOWHERE
    return excluded


def _still_left_out(rows: _Known, before: dict[int, dict[str, Any]]) -> dict[int, tuple[int, int, str]]:
    """Returns the images that were left out of the earlier dataset for a twin that is still there."""
    if not before:
        return {}
    wanted = {entry["twin_sha256"] for entry in before.values()}
    numbers: dict[str, int] = {}
    for number, sha256 in enumerate(rows.contents()):
        if sha256 in wanted:
            numbers.setdefault(sha256, number)
    rows.name(np.array([*before, *numbers.values()]))
    return {
        number: (
            twin,
            IDENTICAL if entry["identical"] else entry["distance"],
            f"was left out of an earlier dataset as the twin of {rows.path(twin)!r}",
        )
        for number, entry in before.items()
        if (twin := numbers.get(entry["twin_sha256"])) is not None
    }


def _leaks(rows: _Known, splits: Array, twins: Twins, config: IngestConfig) -> dict[int, tuple[int, int, str]]:
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
        leaks[int(number)] = (twin, distance, f"is {alike} {rows.path(twin)!r} in {SPLITS[split]}")
    if leaks and config.leaks == "fail":
        shown = "; ".join(f"{rows.path(number)!r} {reason}" for number, (_, _, reason) in list(leaks.items())[:3])
        raise GraftError(
            f"{len(leaks)} training images are also in validation or test: {shown}{' …' if len(leaks) > 3 else ''}. "
            "Remove them, or let --leaks drop leave them out of training."
        )
    return leaks


def _pairs(rows: _Known, splits: Array, twins: Twins, dropped: set[int]) -> list[dict[str, Any]]:
    """Returns every image that has a twin with its nearest one, each pair once, what was dropped coming first."""
    distances = np.where(twins.twin >= 0, twins.distance, np.int8(_NO_DISTANCE))
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
            "path": rows.path(one),
            "split": SPLITS[splits[one]],
            "label": rows.label(one),
            "twin": rows.path(other),
            "twin_split": SPLITS[splits[other]],
            "twin_label": rows.label(other),
            "distance": max(distance, 0),
            "identical": distance == IDENTICAL,
            "dropped": one in dropped,
        }
        for one, other, distance in pairs.values()
    ]


def _fractions(
    rows: _Known, splits: Array, by_content: Array, config: IngestConfig, *, bound: bool
) -> tuple[dict[str, dict[str, dict[str, float]]], list[str]]:
    """Returns the asked and the obtained share of each class in each split, and warnings about classes too small for them."""
    asked = {VALIDATION: config.validation_fraction, TEST: config.test_fraction}
    asked = {TRAIN: 1 - sum(asked.values())} | {split: share for split, share in asked.items() if share}
    chosen = by_content & (splits != _NOWHERE)
    fractions: dict[str, dict[str, dict[str, float]]] = {}
    warnings: list[str] = []
    for label, number in sorted((rows.label_names[number], number) for number in set(rows.labels[chosen].tolist())):
        members = splits[chosen & (rows.labels == number)]
        fractions[label] = {}
        for split, share in asked.items():
            obtained = int((members == SPLITS.index(split)).sum())
            fractions[label][split] = {"asked": round(share, 6), "obtained": round(obtained / len(members), 6)}
            if abs(obtained / len(members) - share) > _FAR and bound:
                warnings.append(
                    f"Class {label!r} has {obtained / len(members):.0%} of its images in {split}, not {share:.0%}: those of the "
                    "earlier dataset stay where they were."
                )
            elif share * len(members) < _FEW:
                warnings.append(
                    f"Class {label!r} has {len(members)} images, too few to give {split} its share of {share:g} other than by "
                    f"luck: it has {obtained} of them."
                )
    return fractions, warnings
