"""Recipes: named settings of the train step, one table."""

import dataclasses
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from graft.components.common.config import configure, read_json, read_settings, section, settings_json
from graft.components.common.errors import GraftError, raise_all
from graft.components.train.config import TrainConfig


@dataclasses.dataclass(frozen=True)
class Recipe:
    """A named set of settings.

    Attributes:
        purpose: What it is for.
        source: Where it comes from.
        expected: The accuracy to expect.
        cost: What it costs in time.
        settings: The fields of `TrainConfig` in which it differs from the defaults.
    """

    purpose: str
    source: str
    expected: str
    cost: str
    settings: Mapping[str, Any]


_OF_THE_BACKBONE = ("cut", "scaling", "unfreeze")

DEFAULT = "fast"
SAMPLE = "sample"

_ORIGINAL = {
    "head": "flatten-dense",
    "scaling": "unit",
    "augmentation": "live",
    "rotation": 40.0,
    "shift": 0.2,
    "shear": 0.2,
    "zoom": 0.2,
    "optimizer": "rmsprop",
    "learning_rate": 1e-4,
    "batch_size": 20,
    "epochs": 20,
    "dropout": 0.2,
    "patience": 20,
    "selection_split": "validation",
}

RECIPES: Mapping[str, Recipe] = MappingProxyType(
    {
        DEFAULT: Recipe(
            "a good model fast: 150 px, cut at `mixed7`, pooled features",
            "Graft",
            "94.1%",
            "one pass of the backbone over the training images; a whole run takes 2.7 times as long as a bare pass over all images",
            {},
        ),
        "accurate": Recipe(
            "the most accurate model: three cuts, mirrored and augmented views, predictions averaged over mirror images",
            "Graft",
            "94.5%; 96.0% at `image_size` 224",
            "three passes of the whole network over the training images, at four times the pixels; prediction takes two passes",
            {
                "image_size": 299,
                "cut": "mixed4+mixed7+mixed10",
                "mirror": True,
                "augmentation": "cached",
                "views": 1,
            },
        ),
        "seed": Recipe(
            "the original project's recipe on the whole network",
            "the original project",
            "91.2% after 10 epochs (plain Keras: 90.9% in the mean of epochs 6–10, this 90.8%)",
            "one pass of the backbone over the training images an epoch",
            {**_ORIGINAL, "cut": "mixed10"},
        ),
        "seed-mixed7": Recipe(
            "the original project's recipe, cut at `mixed7`",
            "the original project",
            "94.2% after 10 epochs (plain Keras: 92.4% in the mean of epochs 6–10, this 91.7%)",
            "one pass of the backbone over the training images an epoch",
            {**_ORIGINAL, "cut": "mixed7"},
        ),
        SAMPLE: Recipe(
            "drawn pictures and random weights: an early cut, whose random features still separate shapes",
            "Graft",
            "98.0% of 300 drawn pictures",
            "41 s for a whole run",
            {"cut": "mixed4", "learning_rate": 1e-3, "epochs": 150, "patience": 25, "dropout": 0.2},
        ),
    }
)


def read_recipe(uri: str) -> str:
    """Reads a recipe of one's own: a YAML file of fields of `TrainConfig`.

    Args:
        uri: Path or URI of the file, ending in `.yaml` or `.yml`.

    Returns:
        The recipe as JSON text, which stands wherever a recipe's name does.

    Raises:
        GraftError: The file can't be read, is no mapping, or has a field or value that is not allowed.
    """
    return settings_json(uri, read_settings(uri, "train", TrainConfig))


def train_config(
    recipe: str = "", config: str = "", overrides: Mapping[str, Any] = MappingProxyType({})
) -> TrainConfig:
    """Builds the settings of a training: defaults < recipe < config < overrides.

    A recipe's layers and scaling are its backbone's. With another backbone, that one's own stand in their place.

    Args:
        recipe: A recipe's name, or one of one's own as `read_recipe` returns it; empty for the default one.
        config: The pipeline's `config` parameter, JSON.
        overrides: Single fields; None leaves a field as it is.

    Raises:
        GraftError: The recipe or fields are unknown, or values not allowed; the message names all of them.
    """
    chosen, problems = TrainConfig(), list[GraftError]()
    settings: Mapping[str, Any] = {}
    try:
        settings = _settings_of(recipe or DEFAULT)
    except GraftError as error:
        problems.append(error)
    given = {field: value for field, value in overrides.items() if value is not None}
    try:
        given = section(config, "train") | given
        own = settings.get("backbone", TrainConfig.backbone)
        if given.get("backbone", own) != own:
            settings = {field: value for field, value in settings.items() if field not in _OF_THE_BACKBONE}
        chosen = configure("train", TrainConfig, settings, given)
    except GraftError as error:
        problems.append(error)
    raise_all(problems)
    return chosen


def _settings_of(recipe: str) -> Mapping[str, Any]:
    """Returns the fields that a recipe sets.

    Raises:
        GraftError: It is unknown, or no JSON.
    """
    if recipe.startswith("{"):
        try:
            return dict(read_json(recipe))
        except (ValueError, RecursionError) as error:
            raise GraftError(f"The recipe is not JSON ({error}): give a name, or a .yaml file.") from error
    if recipe not in RECIPES:
        raise GraftError(
            f"There is no recipe {recipe!r}: there are {', '.join(RECIPES)}, or a .yaml file of your own, such as graft tune writes."
        )
    return RECIPES[recipe].settings
