"""The settings of the ingest step."""

import re
from dataclasses import dataclass
from typing import Annotated

from pydantic import AfterValidator, Field

Fraction = Annotated[float, Field(ge=0, lt=1)]


def _checked_sha256(text: str) -> str:
    if text and not re.fullmatch(r"[0-9a-fA-F]{64}", text):
        raise ValueError("a SHA-256 is written as 64 hex digits")
    return text


@dataclass(frozen=True)
class IngestConfig:
    """Settings of the ingest step.

    Attributes:
        validation_fraction: Share of the images that becomes the validation split where the source has no splits of its
            own; chosen by content hash, so that more images never move an old one.
        max_bad_fraction: Share of files that may be unreadable; more than that fails the step.
        shard_mebibytes: Size at which a shard is full and the next one begins.
        sha256: SHA-256 that an archive must have; empty for any.
    """

    validation_fraction: Annotated[float, Field(gt=0, lt=1)] = 0.2
    max_bad_fraction: Fraction = 0.01
    shard_mebibytes: Annotated[int, Field(gt=0)] = 128
    sha256: Annotated[str, AfterValidator(_checked_sha256)] = ""
