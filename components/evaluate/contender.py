"""A model that the new one is compared with."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from graft.components.common.artifacts.dataset import Dataset
from graft.components.common.artifacts.model_source import SavedModel, open_model
from graft.components.common.compute.keras_models import load_model
from graft.components.common.compute.predictions import predict
from graft.components.common.errors import GraftError

Array = np.ndarray[Any, Any]


class OtherClassesError(GraftError):
    """A model tells other classes apart than a dataset holds."""


class Contender(SavedModel):
    """A model to compare with."""

    def predict(self, dataset: Dataset, split: str, what: str) -> Array:
        """Returns the probabilities of a split's images, float32 [N, classes], in the label order of the dataset.

        Args:
            dataset: The dataset.
            split: Its split.
            what: What this is for, for the progress.

        Raises:
            GraftError: The dataset is damaged.
        """
        probabilities, _, _ = predict(load_model(self.folder), dataset, split, what)
        return probabilities[:, [self.classes.index(name) for name in dataset.classes]]


@contextmanager
def open_contender(uri: str, classes: Sequence[str]) -> Iterator[Contender]:
    """Makes a model readable.

    Args:
        uri: Path or URI of a Model or an Export.
        classes: The classes that it has to tell apart, in any order.

    Raises:
        GraftError: It is neither, is unfinished or damaged, can't be read, or tells other classes apart.
    """
    with open_model(uri, with_index=True) as found:
        if set(found.classes) != set(classes):
            raise OtherClassesError(
                f"{found.uri} tells {', '.join(found.classes)} apart and the dataset holds {', '.join(classes)}: compare with a "
                "model of the same classes, or with none."
            )
        yield Contender(**vars(found))
