"""The Dataset artifact as its readers see it: `dataset.json`, `index.parquet` and shards of TFRecord."""

import dataclasses
import hashlib
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from graft.components.common.errors import GraftError
from graft.components.common.records import read_record

RECORD = "dataset.json"
INDEX = "index.parquet"
TRAIN, VALIDATION, TEST = "train", "validation", "test"
SPLITS = (TRAIN, VALIDATION, TEST)


def content_digest(images: Iterable[tuple[str, str, str]]) -> str:
    """Returns the digest of a dataset's content, whatever the images' names, order and container.

    Args:
        images: Split, class and content SHA-256 of every image.
    """
    lines = sorted(json.dumps(image) for image in images)
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


@dataclasses.dataclass(frozen=True)
class Dataset:
    """A finished Dataset artifact.

    Attributes:
        path: Its directory.
        record: The content of `dataset.json`.
    """

    path: Path
    record: dict[str, Any]

    @classmethod
    def load(cls, path: Path) -> "Dataset":
        """Opens a Dataset.

        Raises:
            GraftError: It is missing, unfinished, damaged, or of an unknown schema version.
        """
        return cls(path, read_record(path, RECORD))

    @property
    def classes(self) -> list[str]:
        """The class names in label order."""
        return list(self.record["classes"])

    @property
    def digest(self) -> str:
        """The content digest."""
        return str(self.record["digest"])

    @property
    def evaluation_split(self) -> str:
        """The split that a model is judged on: `test` where there is one, else `validation`."""
        return TEST if TEST in self.record["counts"] else VALIDATION

    def count(self, split: str) -> int:
        """Returns how many images a split has."""
        return sum(self.record["counts"][split].values())

    def shards(self, split: str) -> list[str]:
        """Returns the paths of a split's shards, in the order of the index's rows.

        Raises:
            GraftError: The dataset has no such split.
        """
        if split not in self.record["counts"]:
            raise GraftError(f"{self.path} has no split {split!r}: there are {', '.join(self.record['counts'])}.")
        return [str(self.path / shard["uri"]) for shard in self.record["shards"] if shard["split"] == split]

    def index(self, split: str, columns: list[str]) -> dict[str, list[Any]]:
        """Reads columns of the index for one split.

        Returns:
            The columns' values by name, in the order of the shards.

        Raises:
            GraftError: The index is missing or damaged.
        """
        import pyarrow as pa
        import pyarrow.parquet as pq

        try:
            table = pq.read_table(self.path / INDEX, columns=columns, filters=[("split", "=", split)])
        except (pa.ArrowException, OSError) as error:
            raise GraftError(f"{self.path / INDEX} is damaged ({type(error).__name__}): ingest it again.") from error
        return dict(table.to_pydict())
