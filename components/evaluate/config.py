"""The settings of the evaluate step."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class EvaluateConfig:
    """Settings of the evaluate step.

    Attributes:
        split: The split to judge the model on; `auto` takes test where there is one, else validation.
    """

    split: Literal["auto", "validation", "test"] = "auto"
