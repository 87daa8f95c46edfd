"""The baselines: which models the challenger is compared with, and what they predict."""

import contextlib
import dataclasses
import logging
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from graft.components.common.artifacts.dataset import Dataset
from graft.components.common.artifacts.model_source import SavedModel, open_model
from graft.components.common.errors import GraftError
from graft.components.common.registry.registry import Registry
from graft.components.common.runs.run import Run
from graft.components.evaluate.config import EvaluateConfig
from graft.components.evaluate.contamination import find_contaminated
from graft.components.evaluate.predictions.kept_predictions import KeptPredictions

log = logging.getLogger("graft")

Array = np.ndarray[Any, Any]


class OtherClassesError(GraftError):
    """A model tells other classes apart than a dataset holds.

    Attributes:
        classes: Those that it does.
    """

    def __init__(self, model: SavedModel, classes: Sequence[str]) -> None:
        self.classes = model.classes
        super().__init__(
            f"{model.uri} tells {', '.join(model.classes)} apart, and the dataset holds {', '.join(classes)}: name a model of the same "
            "classes, or none."
        )


@dataclasses.dataclass(frozen=True)
class Baseline:
    """A model that the challenger is compared with, on the evaluated images.

    Attributes:
        model: The model.
        predicted: int64 [N], the class that it predicts, in the dataset's label order.
        contaminated: bool [N], the images that it was trained on, or whose near twin it was trained on.
    """

    model: SavedModel
    predicted: Array
    contaminated: Array


@dataclasses.dataclass(frozen=True)
class Opened:
    """The baselines, readable.

    Attributes:
        models: The models by `champion` and `anchor`; one that there is not is missing.
        left_out: By role, the classes of a registered version that can't be compared with since it tells others apart.
    """

    models: Mapping[str, SavedModel]
    left_out: Mapping[str, tuple[str, ...]]


@contextlib.contextmanager
def open_baselines(config: EvaluateConfig, run: Run, classes: Sequence[str]) -> Iterator[Opened]:
    """Makes the baselines readable: those that the settings name, else those that the registry has.

    A registered version that tells other classes apart can't be compared with. It is left out, so that what is published from here
    won't be promoted over it.

    Args:
        config: Which baselines are named, if any.
        run: The run, whose store has the registry; without a store there are only the named ones.
        classes: The classes that they have to tell apart, in any order.

    Raises:
        GraftError: One is no finished Model or Export, is damaged, or can't be read; a named one tells other classes apart.
    """
    with contextlib.ExitStack() as opened:
        models = {role: opened.enter_context(_open(uri, classes)) for role, uri in config.named_baselines.items()}
        registered, left_out = _registered(config, run), dict[str, tuple[str, ...]]()
        for uri in dict.fromkeys(registered.values()):  # champion and anchor are often the same: it is downloaded once
            roles = [role for role, version in registered.items() if version == uri]
            try:
                models |= dict.fromkeys(roles, opened.enter_context(_open(uri, classes)))
            except OtherClassesError as error:
                log.warning("%s", error)
                left_out |= dict.fromkeys(roles, error.classes)
        yield Opened(models, left_out)


@contextlib.contextmanager
def _open(uri: str, classes: Sequence[str]) -> Iterator[SavedModel]:
    with open_model(uri, with_index=True) as model:
        if set(model.classes) != set(classes):
            raise OtherClassesError(model, classes)
        yield model


def _registered(config: EvaluateConfig, run: Run) -> dict[str, str]:
    if not run.store or (config.champion and config.anchor):
        return {}
    registry = Registry(run.store, run.name)
    latest, best = registry.latest().version, registry.best()
    found = {"champion": latest, "anchor": best.version if best else None}
    named = {"champion": config.champion, "anchor": config.anchor}
    return {role: registry.versions.uri(version) for role, version in found.items() if version and not named[role]}


def run_baselines(
    models: Mapping[str, SavedModel],
    dataset: Dataset,
    split: str,
    index: Mapping[str, Sequence[Any]],
    predicted: Mapping[str, Array],
    kept: KeptPredictions,
) -> dict[str, Baseline]:
    """Runs the baselines on the evaluated images. No model runs twice, and none on an image whose predictions are kept.

    Args:
        models: The models by `champion` and `anchor`.
        dataset: The dataset.
        split: The evaluated split.
        index: The split's index, with the columns of `contamination.LOOKS`.
        predicted: int64 [N], what models predict that ran already, by the model's digest.
        kept: What models predicted for these images before.

    Raises:
        GraftError: A baseline was trained on all these images, its answers are no numbers, or the store can't be used.
    """
    predicted, contaminated = dict(predicted), {}
    baselines = {}
    for role, model in models.items():
        if model.uri not in contaminated:
            contaminated[model.uri] = find_contaminated(index, model)
        if contaminated[model.uri].all():
            raise GraftError(
                f"The {role} {model.uri} was trained on every {split} image of {dataset.path}, or on a near twin of it: ingest with "
                f"splits that stay as they were, or compare with none (--{role} none)."
            )
        if model.digest not in predicted:
            found = kept.of(model, f"evaluating the {role}")
            predicted[model.digest] = found[:, [model.classes.index(name) for name in dataset.classes]].argmax(axis=1)
        baselines[role] = Baseline(model, predicted[model.digest], contaminated[model.uri])
    return baselines
