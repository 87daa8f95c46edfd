"""The table of an evaluation's slices: accuracy on parts of the images."""

import dataclasses
from collections.abc import Sequence

from graft.components.common.artifacts.evaluation import Slice

MAX_A_GROUP = 40


class SliceRow(Slice):
    """A slice, and where its interval lies apart from the accuracy on all images, `worse` or `better`, else nothing."""

    verdict: str


@dataclasses.dataclass(frozen=True)
class SliceTable:
    """The slices of an evaluation.

    Attributes:
        low: Where their common scale begins; it ends at 1.
        accuracy: The accuracy on all images.
        groups: Slices by what they are cut by, the lowest accuracy first.
        left_out: How many slices of each group are not among them.
    """

    low: float
    accuracy: float
    groups: dict[str, list[SliceRow]]
    left_out: dict[str, int]


def slice_table(slices: Sequence[Slice], accuracy: float) -> SliceTable:
    """Returns the slices by group, on one scale."""
    lowest = min([each.interval[0] for each in slices] + [accuracy])
    groups: dict[str, list[SliceRow]] = {each.by: [] for each in slices}
    for each in sorted(slices, key=lambda each: each.accuracy):
        start, end = each.interval
        verdict = "worse" if end < accuracy else "better" if start > accuracy else ""
        groups[each.by].append(SliceRow(**dict(each), verdict=verdict))
    return SliceTable(
        min(int(10 * lowest) / 10, 0.9),
        accuracy,
        {by: rows[:MAX_A_GROUP] for by, rows in groups.items()},
        {by: max(0, len(rows) - MAX_A_GROUP) for by, rows in groups.items()},
    )
