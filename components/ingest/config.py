"""The settings of the ingest step."""

import re
from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from graft.components.common.errors import GraftError

Fraction = Annotated[float, Field(ge=0, lt=1)]
Leaks = Literal["drop", "keep", "fail"]
SplitBy = Literal["folder", "hash"]


def _checked_sha256(text: str) -> str:
    if text and not re.fullmatch(r"[0-9a-fA-F]{64}", text):
        raise ValueError("a SHA-256 is written as 64 hex digits")
    return text


@dataclass(frozen=True)
class IngestConfig:
    """Settings of the ingest step.

    Attributes:
        split_by: folder: the source's own splits where it has some; hash: by content, whatever the source says. Images of a
            source without splits are always split by content, so that more images never move an old one.
        validation_fraction: Share of the images that becomes the validation split, where they are split by content.
        test_fraction: Share of the images that becomes the test split, where they are split by content.
        leaks: What happens to a training image that is also in validation or test, the same or nearly: drop it from
            training, keep it, or fail.
        limit: Most images of a class in a split, for a quick try; 0 for all.
        max_bad_fraction: Share of files that may be unreadable; more than that fails the step.
        shard_mebibytes: Size at which a shard is full and the next one begins.
        sha256: SHA-256 that an archive or manifest must have; empty for any.
    """

    split_by: SplitBy = "folder"
    validation_fraction: Annotated[float, Field(gt=0, lt=1)] = 0.2
    test_fraction: Fraction = 0.0
    leaks: Leaks = "drop"
    limit: Annotated[int, Field(ge=0)] = 0
    max_bad_fraction: Fraction = 0.01
    shard_mebibytes: Annotated[int, Field(gt=0)] = 128
    sha256: Annotated[str, AfterValidator(_checked_sha256)] = ""

    def __post_init__(self) -> None:
        """Refuses fractions that leave nothing to train on.

        Raises:
            GraftError: They do.
        """
        if self.validation_fraction + self.test_fraction >= 1:
            raise GraftError(
                f"validation_fraction {self.validation_fraction:g} and test_fraction {self.test_fraction:g} leave nothing to train "
                "on: lower one of them."
            )
