"""The pipeline's parameters: what a run works on, and the few settings that people change."""

from dataclasses import dataclass

PUBLIC_ARCHIVE = "https://storage.googleapis.com/mledu-datasets/cats_and_dogs_filtered.zip"
"""The source of a run that names none: the cats and dogs of the original project."""


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
    name: str = "model"
    force: bool = False
