"""The pipeline's parameters: what a run works on, and the few settings that people change."""

from dataclasses import dataclass, replace
from typing import TypeVar

PUBLIC_ARCHIVE = "https://storage.googleapis.com/mledu-datasets/cats_and_dogs_filtered.zip"
"""The source of a run that names none: the cats and dogs of the original project."""

MODEL, SAMPLE = "model", "sample"
"""The names of models of the user's own images, and of what a run without a source works on, where none is given."""


@dataclass(frozen=True)
class Parameters:
    """The pipeline's parameters. Only this class names them all.

    An empty text, 0 and False stand for "not given": a pipeline parameter of Kubeflow can't be None.

    Attributes:
        source: Path or URI of a folder, zip, tar or tar.gz of images, or of a manifest (.csv, .jsonl).
        weights: Pretrained weights of the backbone: imagenet, random, or path or URI of a Keras weights file.
        recipe: Name of a recipe, which is a set of training settings, or a .yaml file with your own; fast if not given.
        optimizer: Optimizer; the recipe's if not given.
        learning_rate: Learning rate; the recipe's if 0.
        min_accuracy: Least accuracy that passes the gate; the gate's default if 0.
        config: Further settings as JSON, a section a step, such as {"train": {"cut": "mixed4"}}, or a .yaml file of them.
        store: Path or URI of the store, which keeps models, run records, images and features.
        name: The model's name.
        force: Run even if nothing changed since the last run that reached a decision.
    """

    source: str
    weights: str = "imagenet"
    recipe: str = ""
    optimizer: str = ""
    learning_rate: float = 0.0
    min_accuracy: float = 0.0
    config: str = ""
    store: str = ""
    name: str = MODEL
    force: bool = False


Given = TypeVar("Given", bound=Parameters)


def with_name(parameters: Given) -> Given:
    """Returns the parameters with a name for the model: where none is given `model`, and `sample` for a run that names no source.

    So a user's own first model has no champion that learned from other images.
    """
    return replace(parameters, name=parameters.name or (MODEL if parameters.source else SAMPLE))
