"""The settings of the ingest step."""

from dataclasses import dataclass
from typing import Annotated

from pydantic import Field

Fraction = Annotated[float, Field(ge=0, lt=1)]


@dataclass(frozen=True)
class IngestConfig:
    """Settings of the ingest step.

    Attributes:
        validation_fraction: Share of the images that becomes the validation split where the source has no splits of its
            own; chosen by content hash, so that more images never move an old one.
        max_bad_fraction: Share of files that may be unreadable; more than that fails the step.
        shard_mebibytes: Size at which a shard is full and the next one begins.
    """

    validation_fraction: Annotated[float, Field(gt=0, lt=1)] = 0.2
    max_bad_fraction: Fraction = 0.01
    shard_mebibytes: Annotated[int, Field(gt=0)] = 128
