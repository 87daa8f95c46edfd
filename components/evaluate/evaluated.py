"""What is evaluated: the Model and the Dataset, which must belong together, and the split."""

from pathlib import Path

from graft.components.common.artifacts.dataset import Dataset
from graft.components.common.artifacts.model import Model
from graft.components.common.errors import GraftError
from graft.components.evaluate.config import EvaluateConfig


def load_both(model: Path, dataset: Path) -> tuple[Dataset, Model]:
    """Loads the records of a Dataset and of a Model that tells its classes apart.

    Args:
        model: A Model's directory.
        dataset: A Dataset's directory.

    Raises:
        GraftError: Either can't be used, or they don't belong together.
    """
    data, training = Dataset.load(dataset), Model.load(model)
    if training.classes != data.classes:
        raise GraftError(
            f"The model tells {', '.join(training.classes)} apart, and the dataset holds {', '.join(data.classes)}: evaluate it on "
            "a dataset of its own classes, in the same order."
        )
    return data, training


def evaluated_split(data: Dataset, config: EvaluateConfig) -> str:
    """Returns the split that a model is judged on.

    Raises:
        GraftError: The dataset has no such split.
    """
    split = data.evaluation_split if config.split == "auto" else config.split
    if split not in data.counts:
        raise GraftError(
            f"{data.path} has no split {split!r}: evaluate on {' or '.join(data.counts)}, or ingest with it."
        )
    return split
