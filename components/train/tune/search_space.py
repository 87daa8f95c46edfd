"""What is searched: the cut, the optimizer and its rate, and how the head is kept from learning by heart."""

import dataclasses
from typing import TYPE_CHECKING, Annotated, Any, get_args

from pydantic import Field

from graft.components.common.errors import GraftError
from graft.components.train.backbones.known import architecture_of
from graft.components.train.config import Count, Optimizer, TrainConfig

if TYPE_CHECKING:
    from optuna import Trial

SEARCHED = ("cut", "optimizer", "learning_rate", "dropout", "label_smoothing")
_BLOCKS = 6
_JOINED = ((-6, -4), (-4, -2), (-4, -1), (-7, -4, -1))


@dataclasses.dataclass(frozen=True)
class SearchConfig:
    """How settings are searched.

    Attributes:
        trials: Settings to try, besides those that the search begins with.
        cuts: Cuts to try, each a layer or several joined by `+`; the ends of the backbone's last six blocks, and some joined, if not
            given.
        seed: Seed of the search.
    """

    trials: Count = 50
    cuts: tuple[str, ...] = ()
    seed: Annotated[int, Field(ge=0, lt=2**32)] = 0


def searchable(config: TrainConfig) -> TrainConfig:
    """Returns the settings that a search begins with: the selection images are training images, so that evaluated ones play no part.

    Raises:
        GraftError: A head is not trained on kept, pooled features by these settings.
    """
    refusals = {
        "head": config.head != "gap" and "the head gap alone trains in a fraction of a second",
        "augmentation": config.augmentation == "live"
        and "a search needs features that are computed once: take off or cached",
        "unfreeze": config.unfreeze
        and "a search needs a frozen backbone: leave it empty, and set it in the recipe that is found",
    }
    for field, why in refusals.items():
        if why:
            raise GraftError(f"graft tune can't begin with {field} {getattr(config, field)}: {why}.")
    return dataclasses.replace(config, selection_split="train")


def cuts_of(backbone: str) -> tuple[str, ...]:
    """Returns the cuts that are tried if none are named.

    >>> cuts_of("inception_v3")[-3:]
    ('mixed7+mixed9', 'mixed7+mixed10', 'mixed4+mixed7+mixed10')
    """
    blocks = architecture_of(backbone).blocks
    return (*blocks[-_BLOCKS:], *("+".join(blocks[place] for place in places) for places in _JOINED))


def layers_of(config: TrainConfig, search: SearchConfig) -> list[str]:
    """Returns the layers that the cuts name, each once."""
    return list(dict.fromkeys(layer for cut in (config.cut, *search.cuts) for layer in cut.split("+")))


def suggested(trial: "Trial", config: TrainConfig, search: SearchConfig) -> TrainConfig:
    """Returns the settings that a trial tries; numbers are round, so that a recipe says all of them.

    Args:
        trial: Optuna's trial.
        config: The settings that the search begins with.
        search: Names the cuts.
    """
    settings: dict[str, Any] = {
        "cut": trial.suggest_categorical("cut", search.cuts),
        "optimizer": trial.suggest_categorical("optimizer", get_args(Optimizer)),
        "learning_rate": float(f"{trial.suggest_float('learning_rate', 1e-4, 0.1, log=True):.2g}"),
        "dropout": round(trial.suggest_float("dropout", 0.0, 0.9, step=0.05), 2),
        "label_smoothing": round(trial.suggest_float("label_smoothing", 0.0, 0.1, step=0.01), 2),
    }
    return dataclasses.replace(config, **settings)
