"""Accuracy by slices of the images, laid out as bars."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

MAX_A_GROUP = 40


@dataclasses.dataclass(frozen=True)
class Bar:
    """A slice's accuracy on a common scale.

    Attributes:
        value: What its images have in common.
        images: How many they are.
        accuracy: Share that is right.
        interval: Its 95% interval.
        left: Where the interval begins, 0 to 1 along the scale.
        width: How long it is.
        point: Where the accuracy lies.
        verdict: `worse` or `better` where the interval lies apart from the accuracy on all images, else empty.
    """

    value: str
    images: int
    accuracy: float
    interval: tuple[float, float]
    left: float
    width: float
    point: float
    verdict: str


@dataclasses.dataclass(frozen=True)
class Slices:
    """The slices of an evaluation.

    Attributes:
        low: Where the scale begins; it ends at 1.
        all: Where the accuracy on all images lies, 0 to 1 along the scale.
        groups: Bars by what the slices are cut by, the lowest accuracy first.
        left_out: How many slices of each group are not among them.
    """

    low: float
    all: float
    groups: dict[str, list[Bar]]
    left_out: dict[str, int]


def lay_out(slices: Sequence[Mapping[str, Any]], accuracy: float) -> Slices:
    """Lays slices out on one scale.

    Args:
        slices: `slices` of `evaluation.json`.
        accuracy: The accuracy on all images.
    """
    known = [each for each in slices if each.get("accuracy") is not None and each.get("interval")]
    lowest = min([each["interval"][0] for each in known] + [accuracy])
    low = min(int(10 * lowest) / 10, 0.9)
    groups: dict[str, list[Bar]] = {}
    for each in sorted(known, key=lambda each: each["accuracy"]):
        start, end = each["interval"]
        groups.setdefault(str(each["by"]), []).append(
            Bar(
                str(each["value"]),
                each["images"],
                each["accuracy"],
                (start, end),
                (start - low) / (1 - low),
                (end - start) / (1 - low),
                (each["accuracy"] - low) / (1 - low),
                "worse" if end < accuracy else "better" if start > accuracy else "",
            )
        )
    order = [by for by in dict.fromkeys(str(each["by"]) for each in slices) if by in groups]
    return Slices(
        low,
        (accuracy - low) / (1 - low),
        {by: groups[by][:MAX_A_GROUP] for by in order},
        {by: max(0, len(groups[by]) - MAX_A_GROUP) for by in order},
    )
