"""Which images evaluate judges a model on, and with which models it compares it."""

from dataclasses import dataclass
from typing import Literal

BASELINES = ("champion", "anchor")
NONE = "none"


@dataclass(frozen=True)
class EvaluateConfig:
    """Which split a model is judged on, which models it is compared with, and by what accuracy is broken down.

    Attributes:
        split: The split to judge the model on; `auto` takes test where there is one, else validation.
        champion: Path or URI of the Model or Export that is in use now. It is run on the same images. Empty for the latest version
            in the store's registry, `none` for none.
        anchor: Path or URI of the best model so far, or of one that you pin, so that many small losses can't add up. Empty for the
            most accurate version that was ever the registry's latest, `none` for none.
        slices: Names of a manifest's further columns to show accuracy by as well.
    """

    split: Literal["auto", "validation", "test", "train"] = "auto"
    champion: str = ""
    anchor: str = ""
    slices: tuple[str, ...] = ()

    @property
    def named_baselines(self) -> dict[str, str]:
        """Paths or URIs of the baselines that are named here, by `champion` and `anchor`."""
        named = {"champion": self.champion, "anchor": self.anchor}
        return {role: uri for role, uri in named.items() if uri not in ("", NONE)}
