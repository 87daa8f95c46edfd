"""Searches better settings of the head: features once, then a head a trial, on images that train."""

import dataclasses
import time
from pathlib import Path
from typing import Any

from graft.components.common import storage
from graft.components.common.artifacts.dataset import TRAIN, Dataset
from graft.components.common.artifacts.shards.in_use import in_use
from graft.components.common.compute.devices import find_devices
from graft.components.common.compute.likeness.pictures import pictures_of
from graft.components.common.extras import require
from graft.components.common.progress import doing
from graft.components.train.backbones.weights import Weights
from graft.components.train.config import TrainConfig
from graft.components.train.tune.search_space import SEARCHED, SearchConfig, cuts_of, layers_of, searchable
from graft.components.train.tune.tuned_recipe import check_place, trials_file, write_recipe


@dataclasses.dataclass(frozen=True)
class Judged:
    """Settings that were tried, and their cross-entropy and accuracy on training images, out of fold."""

    settings: dict[str, Any]
    loss: float
    accuracy: float


@dataclasses.dataclass(frozen=True)
class Tuned:
    """What a search found.

    Attributes:
        path: The recipe.
        table: The table of all trials, as CSV.
        dataset: Digest of the dataset.
        images: Training images on which settings were judged.
        computed: How many images went through the backbone; the others' features were in the store.
        trials: How many settings were tried, besides those that the search began with.
        given_up: How many of them were given up early.
        seconds: How long all trials took.
        start: The settings that the search began with.
        best: The settings with the lowest loss.
        gain: By how much its loss is lower than that of `start`.
        standard_error: The standard error of the gain, which doesn't know that the best of many was taken.
    """

    path: str
    table: str
    dataset: str
    images: int
    computed: int
    trials: int
    given_up: int
    seconds: float
    start: Judged
    best: Judged
    gain: float
    standard_error: float


def tune(
    dataset: Path,
    output: str,
    weights: str = "imagenet",
    config: TrainConfig = TrainConfig(),  # noqa: B008 (frozen)
    search: SearchConfig = SearchConfig(),  # noqa: B008 (frozen)
    store: str = "",
) -> Tuned:
    """Searches settings on the training images alone, and writes the best ones as a recipe.

    Args:
        dataset: A Dataset's directory.
        output: Path or URI of the recipe, a .yaml file; what is there is replaced once the search is done.
        weights: `imagenet`, `random`, or a path or URI of a Keras weights file.
        config: The settings to begin with; what is not searched stays as they have it.
        search: Cuts, number of trials, seed.
        store: Path or URI of the store, where features are kept for the next search or training; empty for none.

    Raises:
        GraftError: Optuna is missing, or the dataset, the weights, the store, a setting or the recipe's place can't be used; no recipe is
            written.
    """
    require("graft tune", ("optuna", "tensorflow", "keras"))
    table, data = trials_file(output), Dataset.load(dataset)
    start = searchable(config)
    search = dataclasses.replace(search, cuts=search.cuts or cuts_of(config.backbone))
    pretrained = Weights.checked(weights, config)
    check_place(output)
    wide = dataclasses.replace(start, cut="+".join(layers_of(start, search)))
    with in_use(data), storage.scratch_folder("tune") as scratch:
        devices = find_devices(config.require_gpu)
        from graft.components.train.features.pieces import columns_of
        from graft.components.train.features.training_set import collect_training_set
        from graft.components.train.network import backbone
        from graft.components.train.network.assembly import build_network
        from graft.components.train.tune.out_of_fold import OutOfFold
        from graft.components.train.tune.search import best_of, gain, search_settings

        backbone.number_layers_afresh()
        with devices.strategy.scope():
            doing("building the network")
            network = build_network(wide, pretrained.file(scratch), devices.precision)
            doing("preparing the features")
            training_set = collect_training_set(data, network, wide, store)
        pictures = pictures_of(data, [TRAIN])[training_set.rows]
        images = OutOfFold(training_set, pictures, columns_of(wide, network), len(data.classes))
        begun = time.monotonic()
        tried = search_settings(images, start, search)
        seconds = time.monotonic() - begun
    write_recipe(output, tried, data.digest)
    best = best_of(tried)
    gained, error = gain(best, tried[0])
    judged = [
        Judged({name: getattr(one.config, name) for name in SEARCHED}, one.loss, one.accuracy)
        for one in (tried[0], best)
    ]
    return Tuned(
        path=output,
        table=table,
        dataset=data.digest,
        images=images.images,
        computed=training_set.computed,
        trials=search.trials,
        given_up=sum(not one.is_whole for one in tried),
        seconds=round(seconds, 2),
        start=judged[0],
        best=judged[1],
        gain=gained,
        standard_error=error,
    )
