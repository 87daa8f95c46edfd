"""The command that searches better settings of a training."""

import dataclasses
import json
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from graft.components.train.recipes import train_config
from graft.components.train.tune.search_space import SearchConfig
from graft.components.train.tune.tune import Tuned
from graft.components.train.tune.tune import tune as search_settings
from graft.pipelines.cli.options import Flat, RecipeOption


def tune(
    *,
    dataset: Path,
    output: str = "tuned.yaml",
    weights: str = "imagenet",
    recipe: RecipeOption = "",
    store: str = "",
    search: Flat[SearchConfig] = SearchConfig(),  # noqa: B008
    json_output: Annotated[bool, Parameter(name="--json")] = False,
) -> None:
    """Searches better settings of the head on the training images, and writes them as a recipe.

    Args:
        dataset: A Dataset's folder.
        output: Path or URI of the recipe, a .yaml file, for --recipe of train, run and submit; a table of all trials goes beside it.
            Once the search is done, they replace what is there.
        weights: imagenet, random, or path or URI of a Keras weights file.
        recipe: Name of the settings to begin with, or a .yaml file of them; the default ones if not given.
        store: Path or URI of the store, which keeps the features.
        search: How settings are searched.
        json_output: Print what was found as JSON on stdout, and nothing else.
    """
    found = search_settings(dataset, output, weights, train_config(recipe), search, store)
    if json_output:
        print(json.dumps(dataclasses.asdict(found), indent=2))
    else:
        _tell(found)


def _tell(found: Tuned) -> None:
    settings = ", ".join(f"{name} {value}" for name, value in found.best.settings.items())
    which = "better than the beginning is none of" if found.best == found.start else "best of"
    print(f"{which} {found.trials:,} trials: {settings}")
    for name, judged in (("found", found.best), ("began with", found.start)):
        print(
            f"{name}: loss {judged.loss:.4f}, accuracy {judged.accuracy:.1%}, out of fold on {found.images:,} training images"
        )
    print(f"gain: {found.gain:.4f} ± {found.standard_error:.4f} of the loss")
    print(found.path)
