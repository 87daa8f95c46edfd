"""The Dataset artifact as its readers see it: `dataset.json`, `index.parquet` and shards of TFRecord."""

import atexit
import dataclasses
import functools
import hashlib
import json
import shutil
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from graft.components.common.artifacts.records import read_record
from graft.components.common.errors import GraftError
from graft.components.common.storage.transfer import fetch

RECORD = "dataset.json"
INDEX = "index.parquet"
LEFT_OUT = "left_out.parquet"
TRAIN, VALIDATION, TEST = "train", "validation", "test"
SPLITS = (TRAIN, VALIDATION, TEST)


def content_digest(images: Iterable[tuple[str, str, str]]) -> str:
    """Returns the digest of a dataset's content, whatever the images' names, order and container.

    Args:
        images: Split, class and content SHA-256 of every image.
    """
    import numpy as np

    # One JSON line an image, sorted; held as the bytes of the digests, since there may be a million.
    beginnings: dict[tuple[str, str], str] = {}
    groups: dict[str, bytearray] = {}
    for split, label, sha256 in images:
        beginning = beginnings.setdefault((split, label), "") or json.dumps((split, label))[:-1]
        beginnings[split, label] = beginning
        groups.setdefault(beginning, bytearray()).extend(bytes.fromhex(sha256))
    digest, separator = hashlib.sha256(), ""
    for beginning in sorted(groups):
        for content in np.sort(np.frombuffer(groups[beginning], f"S{hashlib.sha256().digest_size}")):
            digest.update(f'{separator}{beginning}, "{content.ljust(32, bytes(1)).hex()}"]'.encode())
            separator = "\n"
    return digest.hexdigest()


@functools.cache
def _downloads() -> Path:
    """Returns a folder for shards of remote stores, which lasts as long as this process."""
    folder = tempfile.mkdtemp(prefix="graft-shards-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return Path(folder)


def shard_name(uri: str) -> str:
    """Returns the name of a shard, by which the index calls it.

    Args:
        uri: Where it is.
    """
    return uri.rpartition("/")[2]


@dataclasses.dataclass(frozen=True)
class Located:
    """Where images are: the records of some shards, read one after another, are numbered from 0.

    Attributes:
        paths: The shards' local paths.
        records: How many records they have together.
        numbers: int64 [n], the record of each image, ascending.
        labels: int64 [n], the class index of each image, as the index has it.
    """

    paths: list[str]
    records: int
    numbers: Any
    labels: Any


@dataclasses.dataclass(frozen=True)
class Dataset:
    """A finished Dataset artifact.

    Attributes:
        path: Its directory.
        record: The content of `dataset.json`.
        opened: Bytes of the shards that were looked for in it so far, by name: each is downloaded or opened once.
    """

    path: Path
    record: dict[str, Any]
    opened: dict[str, int] = dataclasses.field(default_factory=dict, compare=False, repr=False)

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

    def locate(self, split: str, wanted: Any = None) -> "Located":
        """Finds a split's images in the shards. Of shards in a remote store, those with wanted images are downloaded, once.

        Args:
            split: `train`, `validation` or `test`.
            wanted: bool [N], true for the images to find, in the order of the index; None for all.

        Raises:
            GraftError: The dataset has no such split, or the index is damaged, or a shard can't be had.
        """
        import numpy as np

        if split not in self.record["counts"]:
            raise GraftError(f"{self.path} has no split {split!r}: there are {', '.join(self.record['counts'])}.")
        index = self.index(split, ["shard", "record", "label"])
        shards = {shard_name(entry["uri"]): entry for entry in self.record["shards"]}
        if unknown := set(index["shard"]) - set(shards):
            raise GraftError(f"{self.path} is damaged (its index names a shard {unknown.pop()}): ingest it again.")
        if not set(index) >= {"shard", "record", "label"}:
            raise GraftError(f"{self.path} was made by an older Graft: ingest it again.")
        rows = np.arange(len(index["shard"])) if wanted is None else np.flatnonzero(wanted)
        named = [index["shard"][row] for row in rows]
        used = [name for name in shards if name in set(named)]
        self.opened.update((name, shards[name]["bytes"]) for name in used)
        starts, total = {}, 0
        for name in used:
            starts[name] = total
            total += shards[name]["images"]
        numbers = np.array([starts[name] for name in named], np.int64) + np.array(index["record"], np.int64)[rows]
        if (np.diff(numbers) <= 0).any():
            raise GraftError(f"{self.path} is damaged (its index is not in the order of the shards): ingest it again.")
        labels = {name: label for label, name in enumerate(self.classes)}
        return Located(
            [self._local(shards[name]) for name in used],
            total,
            numbers,
            np.array([labels[index["label"][row]] for row in rows], np.int64),
        )

    def _local(self, shard: dict[str, Any]) -> str:
        uri = shard["uri"]
        if "://" not in uri:
            return str(self.path / uri)
        target = _downloads() / shard_name(uri)
        return str(target if target.exists() else fetch(uri, _downloads(), shard["sha256"], keep=False))

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
