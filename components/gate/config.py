"""The gate's rules and their thresholds."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import BeforeValidator, Field

from graft.components.common.config import configure, read_settings, section

_SWITCHES = ("yes", "no", "on", "off")


def _no_switch(value: Any) -> Any:
    """Refuses `true`, which Python takes for 1, and words that mean the same."""
    if isinstance(value, bool) or (isinstance(value, str) and value.lower() in _SWITCHES):
        raise ValueError("it is a number; null switches a rule off")
    return value


Number = BeforeValidator(_no_switch)
Share = Annotated[float, Number, Field(ge=0, le=1)]


@dataclass(frozen=True)
class GateConfig:
    """The gate's rules. Where None is allowed it switches a rule off.

    Attributes:
        min_accuracy: Least accuracy on the evaluated split.
        confident: Whether the lower end of the accuracy's 95% interval has to reach `min_accuracy`, not the accuracy itself.
        min_auc: Least area under the ROC curve.
        max_ece: Greatest expected calibration error.
        min_class_recall: Least recall of every class.
        min_slice_accuracy: Least accuracy on every slice of at least `min_slice_images` images.
        min_slice_images: How many images a slice needs to be judged.
        min_images: Least number of evaluated images.
        min_coverage: Least share of the images for which the model is confident; it has to be trained with `wanted_accuracy`.
        max_selective_risk: Greatest share of wrong ones among these.
        max_regression: How much worse than champion and anchor the model may be; 0.02 is two points. The gate has to be 95% sure
            of it (one-sided, paired), which takes at least 115 images for two points.
    """

    min_accuracy: Annotated[float, Number, Field(gt=0, le=1)] = 0.9
    confident: bool = False
    min_auc: Share | None = None
    max_ece: Share | None = None
    min_class_recall: Share | None = None
    min_slice_accuracy: Share | None = None
    min_slice_images: Annotated[int, Number, Field(ge=1)] = 30
    min_images: Annotated[int, Number, Field(ge=1)] | None = None
    min_coverage: Share | None = None
    max_selective_risk: Share | None = None
    max_regression: Annotated[float, Number, Field(ge=0, lt=0.5)] | None = 0.02


def gate_config(config: str, min_accuracy: float) -> GateConfig:
    """Returns the rules of a pipeline's run: defaults < config < parameter.

    Args:
        config: The pipeline's `config` parameter, JSON.
        min_accuracy: The parameter; 0 leaves it as it is.

    Raises:
        GraftError: A field is unknown or a value is not allowed.
    """
    return configure(
        "gate", GateConfig, section(config, "gate"), {"min_accuracy": min_accuracy} if min_accuracy else {}
    )


def rules_config(rules: str, overrides: Mapping[str, Any]) -> GateConfig:
    """Returns the rules of a command: defaults < file < overrides.

    Args:
        rules: Path or URI of a YAML file of fields of `GateConfig`; empty for none.
        overrides: Single fields.

    Raises:
        GraftError: The file can't be read, a field is unknown or a value is not allowed.
    """
    return configure("gate", GateConfig, read_settings(rules, "gate", GateConfig) if rules else {}, overrides)
