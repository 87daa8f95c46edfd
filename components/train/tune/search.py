"""The search: settings are tried one after the other, each on the same folds, and what can't become the best is given up early."""

import dataclasses
import logging
from collections.abc import Sequence
from typing import Any

import numpy as np

from graft.components.common.progress import progress
from graft.components.train.config import TrainConfig
from graft.components.train.tune.out_of_fold import OutOfFold
from graft.components.train.tune.search_space import SearchConfig, suggested

Array = np.ndarray[Any, Any]


@dataclasses.dataclass(frozen=True)
class Tried:
    """Settings, and what they brought.

    Attributes:
        config: The settings.
        losses: float32 [n], the cross-entropy of each image that was judged, in the order of the folds.
        right: bool [n], whether its class was found.
        images: How many images there are: of settings that were given up early, not all are judged.
    """

    config: TrainConfig
    losses: Array
    right: Array
    images: int

    @property
    def loss(self) -> float:
        """The mean loss."""
        return float(self.losses.mean())

    @property
    def accuracy(self) -> float:
        """The share of images whose class was found."""
        return float(self.right.mean())

    @property
    def is_whole(self) -> bool:
        """Whether all images were judged."""
        return len(self.losses) == self.images


def search_settings(images: OutOfFold, config: TrainConfig, search: SearchConfig) -> list[Tried]:
    """Tries settings by Optuna's TPE (Watanabe 2023, https://arxiv.org/abs/2304.11127); the median rule gives bad ones up after a fold.

    Args:
        images: The images in folds.
        config: The settings to begin with: they come first in what is returned, and are judged whole.
        search: Cuts, number of trials, seed.
    """
    import optuna
    from threadpoolctl import threadpool_limits

    logging.getLogger("optuna").setLevel(logging.WARNING)  # it tells of every trial
    study = optuna.create_study(
        sampler=optuna.samplers.TPESampler(seed=search.seed), pruner=optuna.pruners.MedianPruner()
    )
    with progress("searching settings", search.trials + 1, "trials") as advance, threadpool_limits(1):
        tried = [_try(images, config)]
        advance(1)
        for _ in range(search.trials):
            trial = study.ask()
            tried.append(_try(images, suggested(trial, config, search), trial))
            if tried[-1].is_whole:
                study.tell(trial, tried[-1].loss)
            else:
                study.tell(trial, state=optuna.trial.TrialState.PRUNED)
            advance(1)
    return tried


def best_of(tried: Sequence[Tried]) -> Tried:
    """Returns what has the lowest loss of what was judged whole; the earlier one of equals."""
    return min((one for one in tried if one.is_whole), key=lambda one: one.loss)


def gain(best: Tried, start: Tried) -> tuple[float, float]:
    """Returns by how much the mean loss is lower, and the standard error of that: the same images were judged in the same folds."""
    differences = start.losses - best.losses
    return float(differences.mean()), float(differences.std() / np.sqrt(len(differences)))


def _try(images: OutOfFold, config: TrainConfig, trial: Any = None) -> Tried:
    losses, right = [np.zeros(0)], [np.zeros(0, bool)]
    for fold, (found, is_right) in enumerate(images.judge(config)):
        losses.append(found)
        right.append(is_right)
        if trial is not None:
            trial.report(float(np.concatenate(losses).mean()), fold)
            if trial.should_prune():
                break
    return Tried(config, np.concatenate(losses), np.concatenate(right), images.images)
