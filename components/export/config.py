"""What a user can set in the export step."""

from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field

from graft.components.export.formats import Further


@dataclass(frozen=True)
class ExportConfig:
    """What to export, and what to do with it.

    Attributes:
        formats: Formats to export to, besides SavedModel and .keras.
        promote: Who makes a published model the latest version: `auto` for the pipeline, `manual` for a person. Without a
            store nothing is published.
        parity_images: How many of the evaluated images to run every format on. Each must agree with the evaluation on them.
    """

    formats: tuple[Further, ...] = ()
    promote: Literal["auto", "manual"] = "auto"
    parity_images: Annotated[int, Field(gt=0)] = 200
