"""The settings of the export step."""

from dataclasses import dataclass
from typing import Annotated

from pydantic import Field


@dataclass(frozen=True)
class ExportConfig:
    """Settings of the export step.

    Attributes:
        parity_images: Real images on which every format must agree with the trained model before the export counts as done.
    """

    parity_images: Annotated[int, Field(gt=0)] = 64
