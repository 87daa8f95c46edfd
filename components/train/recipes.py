"""Recipes: named settings of the train step, one table."""

import dataclasses
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from graft.components.common.config import configure, section
from graft.components.common.errors import GraftError
from graft.components.train.config import TrainConfig


@dataclasses.dataclass(frozen=True)
class Recipe:
    """A named set of settings.

    Attributes:
        purpose: What it is for, with the result and cost to expect.
        settings: The fields of `TrainConfig` in which it differs from the defaults.
    """

    purpose: str
    settings: Mapping[str, Any]


DEFAULT = "fast"
SAMPLE = "sample"

RECIPES: Mapping[str, Recipe] = MappingProxyType(
    {
        DEFAULT: Recipe("Pretrained weights, 150 px, cut at mixed7, pooled features: the quickest good result.", {}),
        SAMPLE: Recipe(
            "For the drawn sample and random weights: an early cut, whose random features still tell shapes apart.",
            {"cut": "mixed4", "epochs": 150, "patience": 25, "dropout": 0.2},
        ),
    }
)


def train_config(
    recipe: str = "", config: str = "", overrides: Mapping[str, Any] = MappingProxyType({})
) -> TrainConfig:
    """Builds the settings of a training: defaults < recipe < config < overrides.

    Args:
        recipe: A recipe's name; empty for the default one.
        config: The pipeline's `config` parameter, JSON.
        overrides: Single fields; None leaves a field as it is.

    Raises:
        GraftError: The recipe or a field is unknown, or a value is not allowed.
    """
    name = recipe or DEFAULT
    if name not in RECIPES:
        raise GraftError(f"There is no recipe {name!r}: there are {', '.join(RECIPES)}.")
    given = {field: value for field, value in overrides.items() if value is not None}
    return configure("train", TrainConfig, RECIPES[name].settings, section(config, "train"), given)
