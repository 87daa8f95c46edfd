"""A model that the new one is compared with: a Model or an Export, here or in a bucket."""

import dataclasses
from collections.abc import Iterator, Sequence
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
from graft.components.common.sums import SUMS, fetch_checked, read_sums
from graft.components.common.transfer import fetch

Array = np.ndarray[Any, Any]

_EXPORTED_RECORD = f"lineage/{RECORD}"


class OtherClassesError(GraftError):
    """A model tells other classes apart than a dataset holds."""


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
            GraftError: The dataset is damaged.
        """
        probabilities, _ = predict(load_model(self.folder), dataset, split, what)
        return probabilities[:, [self.classes.index(name) for name in dataset.classes]]


def find_record(uri: str) -> str:
    """Returns where in a Model or an Export the training's record is.

    Args:
        uri: Its path or URI.

    Raises:
        GraftError: It is neither, or can't be read.
    """
    if "?" in uri and "://" in uri:
        raise GraftError(
            f"{storage.redact(uri)} is named with a query string: name a folder that can be read without one."
        )
    base = uri.rstrip("/")
    if storage.exists(f"{base}/{RECORD}"):
        return RECORD
    if storage.exists(f"{base}/{SUMS}") and storage.exists(f"{base}/{_EXPORTED_RECORD}"):
        return _EXPORTED_RECORD
    raise GraftError(f"{storage.redact(uri)} is no finished Model or Export: no {RECORD} or {SUMS} can be read there.")


@contextmanager
def open_contender(uri: str, classes: Sequence[str]) -> Iterator[Contender]:
    """Makes a model readable: what is remote is downloaded, once.

    Args:
        uri: Path or URI of a Model or an Export.
        classes: The classes that it has to tell apart, in any order.

    Raises:
        GraftError: It is neither, is unfinished or damaged, can't be read, or tells other classes apart.
    """
    name = storage.redact(uri)
    with TemporaryDirectory(prefix="graft-contender-") as scratch:
        folder, downloads = Path(scratch) / "model", Path(scratch) / "downloads"
        folder.mkdir()
        downloads.mkdir()
        record = find_record(uri)
        sums = None if record == RECORD else read_sums(uri, downloads)

        def get(path: str, digest: str = "") -> Path:
            if sums is None:
                return fetch(f"{uri.rstrip('/')}/{path}", downloads, digest).absolute()
            return fetch_checked(uri, path, sums, downloads).absolute()

        (folder / RECORD).symlink_to(get(record))
        try:
            training = read_training(folder)
            digest, found = training["model_digest"], list(training["classes"])
        except (GraftError, KeyError, TypeError) as error:
            raise GraftError(
                f"The {RECORD} of {name} is damaged or another Graft's: compare with another model, or with none."
            ) from error
        if set(found) != set(classes):
            raise OtherClassesError(
                f"{name} tells {', '.join(found)} apart and the dataset holds {', '.join(classes)}: compare with a model of the "
                "same classes, or with none."
            )
        (folder / MODEL).symlink_to(get(MODEL, digest))
        yield Contender(name, folder, digest, found)
