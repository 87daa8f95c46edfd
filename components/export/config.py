"""The settings of the export step."""

from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field

from graft.components.export.formats import Further


@dataclass(frozen=True)
class ExportConfig:
    """Settings of the export step.

    Attributes:
        formats: Formats to export to besides SavedModel and .keras.
        promote: Whether a model that passed the gate becomes the registry's latest version by itself (`auto`), or waits, published,
            for a person (`manual`). Without a store nothing is published.
        parity_images: On how many of the evaluated images every format must agree with the evaluation before the export counts as done.
    """

    formats: tuple[Further, ...] = ()
    promote: Literal["auto", "manual"] = "auto"
    parity_images: Annotated[int, Field(gt=0)] = 200
