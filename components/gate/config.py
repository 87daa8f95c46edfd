"""The settings of the gate step."""

from dataclasses import dataclass
from typing import Annotated

from pydantic import Field

from graft.components.common.config import configure, section


@dataclass(frozen=True)
class GateConfig:
    """Settings of the gate step.

    Attributes:
        min_accuracy: Accuracy on the evaluated split below which nothing is exported.
    """

    min_accuracy: Annotated[float, Field(gt=0, le=1)] = 0.9


def gate_config(config: str, min_accuracy: float) -> GateConfig:
    """Builds the gate's settings: defaults < config < parameter.

    Args:
        config: The pipeline's `config` parameter, JSON.
        min_accuracy: The parameter; 0 leaves it as it is.

    Raises:
        GraftError: A field is unknown or a value is not allowed.
    """
    return configure(
        "gate", GateConfig, section(config, "gate"), {"min_accuracy": min_accuracy} if min_accuracy else {}
    )
