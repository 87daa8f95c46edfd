"""A model that the new one is compared with: a Model or an Export, here or in a bucket."""

import dataclasses
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from graft.components.common import storage
from graft.components.common.dataset import Dataset
from graft.components.common.errors import GraftError
from graft.components.common.model import MODEL, RECORD, load_model, read_training
from graft.components.common.predictions import predict
from graft.components.common.transfer import fetch

Array = np.ndarray[Any, Any]

_EXPORTED_RECORD = f"lineage/{RECORD}"


@dataclasses.dataclass(frozen=True)
class Contender:
    """A model to compare with.

    Attributes:
        uri: Its path or URI, without secrets.
        folder: A local Model of it.
        digest: Digest of the model.
        classes: Its class names in label order.
    """

    uri: str
    folder: Path
    digest: str
    classes: list[str]

    def predict(self, dataset: Dataset, split: str, what: str) -> Array:
        """Returns the probabilities of a split's images, float32 [N, classes], in the label order of the dataset.

        Args:
            dataset: The dataset.
            split: Its split.
            what: What this is for, for the progress.

        Raises:
            GraftError: It tells other classes apart, or the dataset is damaged.
        """
        if set(self.classes) != set(dataset.classes):
            raise GraftError(
                f"{self.uri} tells {', '.join(self.classes)} apart and the dataset holds {', '.join(dataset.classes)}: "
                "compare with a model of the same classes, or with none."
            )
        probabilities, _ = predict(load_model(self.folder), dataset, split, what)
        return probabilities[:, [self.classes.index(name) for name in dataset.classes]]


def find_record(uri: str) -> str:
    """Returns where in a Model or an Export the training's record is.

    Args:
        uri: Its path or URI.

    Raises:
        GraftError: It is neither, or can't be read.
    """
    for name in (RECORD, _EXPORTED_RECORD):
        if storage.exists(f"{uri.rstrip('/')}/{name}"):
            return name
    raise GraftError(f"{storage.redact(uri)} is no finished Model or Export: it has no {RECORD}.")


@contextmanager
def open_contender(uri: str) -> Iterator[Contender]:
    """Makes a model readable: what is remote is downloaded, once.

    Args:
        uri: Path or URI of a Model or an Export.

    Raises:
        GraftError: It is neither, is unfinished or damaged, or can't be read.
    """
    base = uri.rstrip("/")
    with TemporaryDirectory(prefix="graft-contender-") as scratch:
        folder, downloads = Path(scratch) / "model", Path(scratch) / "downloads"
        folder.mkdir()
        downloads.mkdir()
        (folder / RECORD).symlink_to(fetch(f"{base}/{find_record(uri)}", downloads).absolute())
        training = read_training(folder)
        (folder / MODEL).symlink_to(fetch(f"{base}/{MODEL}", downloads, training["model_digest"]).absolute())
        yield Contender(storage.redact(uri), folder, training["model_digest"], training["classes"])
