"""Which split each image is in: by content, bound by an earlier dataset, and never on both sides of the evaluation."""

import dataclasses

import numpy as np

from graft.components.common.artifacts.dataset import SPLITS, TEST, TRAIN, VALIDATION, LeftOutTwin, SplitShare, TwinPair
from graft.components.common.compute.likeness.twins import IDENTICAL
from graft.components.ingest.config import IngestConfig
from graft.components.ingest.dataset.class_coverage import first_few
from graft.components.ingest.dataset.collected_rows import CollectedRows
from graft.components.ingest.dataset.image_arrays import NOWHERE, Array, ImageArrays, LeftOut
from graft.components.ingest.dataset.leakage import find_leaks, pair_twins
from graft.components.ingest.dataset.previous_dataset import PreviousDataset

_HASH_DIGITS = 15
_FEW = 10
_FAR = 0.1
_MANY = 0.03

Fractions = dict[str, dict[str, SplitShare]]
"""By class and split."""


def split_by_content(sha256: str, config: IngestConfig) -> str:
    """Assigns an image by its content's digest alone, so that other images coming or going never move it."""
    place = int(sha256[:_HASH_DIGITS], 16) / 16**_HASH_DIGITS
    if place < config.validation_fraction:
        return VALIDATION
    return TEST if place < config.validation_fraction + config.test_fraction else TRAIN


@dataclasses.dataclass(frozen=True)
class SplitAssignment:
    """Where all images belong.

    Attributes:
        splits: int [N], index of each image's split in SPLITS; NOWHERE for one that is left out.
        excluded: The images left out.
        duplicates: Pairs of twins.
        fractions: Shares of the images that were split by content.
        warnings: What a person should know, a sentence each.
    """

    splits: Array
    excluded: list[LeftOutTwin]
    duplicates: list[TwinPair]
    fractions: Fractions
    warnings: list[str]


def assign_splits(
    rows: CollectedRows, by_content: Array, previous: PreviousDataset | None, config: IngestConfig
) -> SplitAssignment:
    """Finds twins, moves new images to the split of an old twin, and takes what leaks out of the training split.

    Args:
        rows: The index's rows, with the splits that the images were given as they came.
        by_content: bool [N], true for images that stay and have no split of the source's own.
        previous: An earlier dataset, whose splits bind; None for none.
        config: The shares of the splits, and what happens to leaks.

    Raises:
        GraftError: Training images are also in validation or test, and `leaks` is `fail`.
    """
    images = ImageArrays(rows)
    splits = images.splits.copy()
    excluded = _bind(images, splits, by_content, previous, config) if previous else {}
    twins = images.twins(splits)
    leaks = find_leaks(images, splits, twins, config.leaks)
    duplicates = pair_twins(images, splits, twins, leaks)
    splits[list(leaks)] = NOWHERE
    fractions, warnings = _fractions(images, splits, by_content, config, bound=previous is not None)
    dropped = excluded | leaks
    warnings += _twin_warnings(duplicates, len(dropped), int((splits == SPLITS.index(TRAIN)).sum()))
    left_out = [images.left_out(number, why) for number, why in sorted(dropped.items())]
    return SplitAssignment(splits, left_out, duplicates, fractions, warnings)


def _twin_warnings(duplicates: list[TwinPair], dropped: int, stay: int) -> list[str]:
    """Returns warnings about twins with different labels and about many dropped ones.

    Args:
        duplicates: All pairs.
        dropped: How many images are left out for a twin.
        stay: How many images stay in training.
    """
    warnings, pairs = [], f"of {len(duplicates)} pairs"
    mixed = [pair for pair in duplicates if pair.label != pair.twin_label]
    if wrong := sum(pair.identical for pair in mixed):
        warnings.append(f"The same bytes have different labels, so one label must be wrong: {wrong} {pairs}.")
    if alike := len(mixed) - wrong:
        warnings.append(
            f"Images that look nearly the same have different labels: {alike} {pairs}. A label may be wrong, or they differ in "
            "something small: the report shows them."
        )
    if dropped > _MANY * (dropped + stay):
        warnings.append(
            f"{dropped} of {dropped + stay} training images ({dropped / (dropped + stay):.0%}) are left out as twins of judged "
            "ones. The report shows them. If they only look alike, as a fixed camera's images do, use --leaks keep."
        )
    return warnings


def _bind(
    images: ImageArrays, splits: Array, by_content: Array, previous: PreviousDataset, config: IngestConfig
) -> dict[int, LeftOut]:
    """Lets old images stay in their splits and new ones follow their twins; returns those that can't."""
    is_old = np.zeros(len(splits), bool)
    before: dict[int, LeftOutTwin] = {}
    for number, sha256 in enumerate(images.digests()):
        if not by_content[number]:
            continue
        if split := previous.split(sha256):
            splits[number], is_old[number] = SPLITS.index(split), True
        elif config.leaks == "drop" and (entry := previous.left_out(sha256)):
            before[number] = entry
    excluded = _still_left_out(images, before)
    twins = images.twins(np.where(is_old, splits, NOWHERE))
    for number in np.flatnonzero(by_content & ~is_old).tolist():
        found = [split for split in range(len(SPLITS)) if twins.twin[number, split] >= 0]
        if number in excluded:
            continue
        if len(found) > 1:
            names = " and of ".join(
                f"{images.path(int(twins.twin[number, split]))!r} in {SPLITS[split]}" for split in found
            )
            nearest = min(found, key=lambda split: twins.distance[number, split])
            twin, distance = int(twins.twin[number, nearest]), int(twins.distance[number, nearest])
            reason = f"is new, and the twin of {names}, which an earlier dataset keeps apart"
            excluded[number] = LeftOut(twin, distance, reason)
        elif found:
            splits[number] = found[0]
    splits[list(excluded)] = NOWHERE
    return excluded


def _still_left_out(images: ImageArrays, before: dict[int, LeftOutTwin]) -> dict[int, LeftOut]:
    """Returns the images that were left out of the earlier dataset for a twin that is still there."""
    if not before:
        return {}
    wanted = {entry.twin_sha256 for entry in before.values()}
    numbers: dict[str, int] = {}
    for number, sha256 in enumerate(images.digests()):
        if sha256 in wanted and images.splits[number] != NOWHERE:
            numbers.setdefault(sha256, number)
    images.read_names(np.array([*before, *numbers.values()]))
    return {
        number: LeftOut(
            twin,
            IDENTICAL if entry.identical else entry.distance,
            f"was left out of an earlier dataset as the twin of {images.path(twin)!r}",
        )
        for number, entry in before.items()
        if (twin := numbers.get(entry.twin_sha256)) is not None
    }


def _fractions(
    images: ImageArrays, splits: Array, by_content: Array, config: IngestConfig, *, bound: bool
) -> tuple[Fractions, list[str]]:
    """Returns the asked and the obtained share of each class in each split, and warnings about classes too small for them."""
    asked = {VALIDATION: config.validation_fraction, TEST: config.test_fraction}
    asked = {TRAIN: 1 - sum(asked.values())} | {split: share for split, share in asked.items() if share}
    chosen = by_content & (splits != NOWHERE)
    fractions: Fractions = {}
    moved: list[str] = []
    small: list[str] = []
    for label, number in sorted((images.label_names[number], number) for number in set(images.labels[chosen].tolist())):
        members = splits[chosen & (images.labels == number)]
        fractions[label] = {}
        for split, share in asked.items():
            count = int((members == SPLITS.index(split)).sum())
            obtained = count / len(members)
            fractions[label][split] = SplitShare(asked=round(share, 6), obtained=round(obtained, 6))
            if abs(obtained - share) > _FAR and bound:
                moved.append(
                    f"Class {label!r} has {obtained:.0%} of its images in {split}, not {share:.0%}: images of the earlier "
                    "dataset stay in their split."
                )
            elif share * len(members) < _FEW:
                small.append(
                    f"Class {label!r} is too small to split reliably: {count} of its {len(members)} images are in {split}, and "
                    f"{share:.0%} were asked for."
                )
    moved = first_few(moved, "have another share in a split than asked for")
    return fractions, moved + first_few(small, "are too small to split reliably")
