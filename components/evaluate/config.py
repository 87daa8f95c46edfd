"""The settings of the evaluate step."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class EvaluateConfig:
    """Settings of the evaluate step.

    Attributes:
        split: The split to judge the model on; `auto` takes test where there is one, else validation.
        champion: Path or URI of the Model or Export that is in use now, to be run on the same images; empty for the latest version
            in the store's registry, `none` for none.
        anchor: Path or URI of the best one so far, or one that you pin, so that many small losses can't add up; empty for the
            most accurate version that the registry ever had as its latest, `none` for none.
        slices: Names of columns of the index, which a manifest brought, to show accuracy by as well.
    """

    split: Literal["auto", "validation", "test", "train"] = "auto"
    champion: str = ""
    anchor: str = ""
    slices: tuple[str, ...] = ()
