"""Which split each image is in: by content, bound by an earlier dataset, and never on both sides of the evaluation."""

import dataclasses
from collections.abc import Iterator
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
_FAR = 0.1
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
    return Settled(splits, left_out, duplicates, fractions, warnings)


def _values(column: Any) -> Iterator[Any]:
    """Yields a column's values, of which Python holds few at a time."""
    for chunk in column.chunks:
        yield from chunk.to_pylist()


class _Rows:
    """The index's rows, whose text stays where it is: as Python's objects it would take several times the memory."""

    def __init__(self, table: "pa.Table") -> None:
        import pyarrow as pa
        import pyarrow.compute as pc

        self._paths, self._sha256s, count = table["path"], table["sha256"], len(table)
        self.splits = pc.index_in(table["split"], pa.array(SPLITS)).to_numpy().astype(np.int64)
        self.label_names = pc.unique(table["label"]).to_pylist()
        self.labels = pc.index_in(table["label"], pa.array(self.label_names)).to_numpy()
        self._phashes = np.fromiter((int(text, 16) for text in _values(table["phash"])), np.uint64, count)
        # The first 63 bits of digests are as good as all of them: images that share them look the same as well.
        digits = (int.from_bytes(digest[:8]) >> 1 for digest in _values(self._sha256s))
        _, self._contents = np.unique(np.fromiter(digits, np.int64, count), return_inverse=True)
        self._brightness = table["brightness"].to_numpy()

    def path(self, number: int) -> str:
        return str(self._paths[number].as_py())

    def label(self, number: int) -> str:
        return str(self.label_names[self.labels[number]])

    def sha256(self, number: int) -> str:
        return bytes(self._sha256s[number].as_py()).hex()

    def find(self, sha256: str) -> int:
        """Returns the number of an image by its content, or -1."""
        import pyarrow as pa
        import pyarrow.compute as pc

        return int(pc.index(self._sha256s, pa.scalar(bytes.fromhex(sha256), self._sha256s.type)).as_py())

    def twins(self, groups: Array) -> Twins:
        return find_twins(self._contents, self._phashes, self._brightness, groups, len(SPLITS))

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
    rows: _Rows, splits: Array, by_content: Array, previous: Previous, config: IngestConfig
) -> dict[int, tuple[int, int, str]]:
    """Lets old images stay and new ones follow their twins; returns those that can't, with twin, distance and reason."""
    is_old = np.zeros(len(splits), bool)
    for number in np.flatnonzero(by_content):
        if split := previous.split(rows.sha256(int(number))):
            splits[number], is_old[number] = SPLITS.index(split), True
    twins = rows.twins(np.where(is_old, splits, _NOWHERE))
    excluded: dict[int, tuple[int, int, str]] = {}
    for number in np.flatnonzero(by_content & ~is_old):
        found = [split for split in range(len(SPLITS)) if twins.twin[number, split] >= 0]
        before = previous.left_out(rows.sha256(int(number))) if config.leaks == "drop" else None
        if before and (twin := rows.find(before["twin_sha256"])) >= 0:
            distance = IDENTICAL if before["identical"] else before["distance"]
            reason = f"was left out of an earlier dataset as the twin of {rows.path(twin)!r}"
            excluded[int(number)] = (twin, distance, reason)
        elif len(found) > 1:
            names = " and of ".join(f"{rows.path(twins.twin[number, split])!r} in {SPLITS[split]}" for split in found)
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
        leaks[int(number)] = (twin, distance, f"is {alike} {rows.path(twin)!r} in {SPLITS[split]}")
    if leaks and config.leaks == "fail":
        shown = "; ".join(f"{rows.path(number)!r} {reason}" for number, (_, _, reason) in list(leaks.items())[:3])
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
    rows: _Rows, splits: Array, by_content: Array, config: IngestConfig, *, bound: bool
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
