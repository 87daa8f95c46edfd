"""The Dataset artifact: images with their splits and classes, as `dataset.json`, an index and shards of TFRecord."""

from collections.abc import Mapping
from typing import Any, ClassVar

from pydantic import Field, PrivateAttr

from graft.components.common.artifacts.records import Artifact
from graft.components.common.artifacts.schema import Part, Setting, is_none
from graft.components.common.errors import GraftError

RECORD = "dataset.json"
INDEX = "index.parquet"
LEFT_OUT = "left_out.parquet"
TRAIN, VALIDATION, TEST = "train", "validation", "test"
SPLITS = (TRAIN, VALIDATION, TEST)


def shard_name(uri: str) -> str:
    """Returns the name of a shard, by which the index calls it.

    Args:
        uri: Where it is.
    """
    return uri.rpartition("/")[2]


class Unusable(Part):
    """A file that is no usable image."""

    path: str
    """Its path in the source."""
    label: str
    """Its class."""
    reason: str
    """Why it is not usable."""
    version: str | None = Field(default=None, exclude_if=is_none)
    """What changes when the file does; None if that is unknown."""


class LeftOutTwin(Part):
    """An image that was left out, being another one's twin."""

    path: str
    """Its path in the source."""
    label: str
    """Its class."""
    reason: str
    """Why it was left out."""
    sha256: str
    """SHA-256 of its bytes."""
    twin: str
    """The other one's path."""
    twin_sha256: str
    """SHA-256 of the other one's bytes."""
    distance: int
    """Bits in which their perceptual hashes differ."""
    identical: bool
    """Whether their bytes are the same."""


class TwinPair(Part):
    """Two images that are the same, or nearly."""

    path: str
    """Path of the first one in the source."""
    split: str
    """Its split, had it not been dropped."""
    label: str
    """Its class."""
    twin: str
    """Path of the second one."""
    twin_split: str
    """Its split."""
    twin_label: str
    """Its class."""
    distance: int
    """Bits in which their perceptual hashes differ."""
    identical: bool
    """Whether their bytes are the same."""
    dropped: bool
    """Whether the first one was left out for being in two splits."""


class SplitShare(Part):
    """The share of a class's images in a split, of those that were split by content."""

    asked: float
    """The share that the settings ask for."""
    obtained: float
    """The share that it came to."""


class Shard(Part):
    """A file of images."""

    uri: str
    """Its URI in the store, or its name in the Dataset's directory."""
    images: int
    """Images in it."""
    bytes: int
    """Its size."""
    sha256: str
    """SHA-256 of its bytes."""

    @property
    def name(self) -> str:
        """Its name, by which the index calls it."""
        return shard_name(self.uri)


class Dataset(Artifact):
    """Images with their splits and classes: what is known of them as a whole.

    >>> data = Dataset.load(dataset)
    >>> data.classes
    ('cats', 'dogs')
    >>> data.count("train")
    40
    >>> sorted(data.index("validation", ["label"])["label"])[0]
    'cats'
    """

    FILE: ClassVar[str] = "dataset.json"
    REMEDY: ClassVar[str] = "ingest it again"

    classes: tuple[str, ...]
    """The class names in label order."""
    counts: Mapping[str, Mapping[str, int]]
    """Images by split and class."""
    digest: str
    """Digest of images, labels and splits: the same for the same content, whatever the source."""
    source: str
    """Path or URI of the source, without secrets."""
    source_digest: str
    """What `resolve` found; empty if it was not asked."""
    excluded: tuple[LeftOutTwin | Unusable, ...]
    """Files that were left out."""
    duplicates: tuple[TwinPair, ...]
    """Twins, each pair once, those of which one was dropped first."""
    fractions: Mapping[str, Mapping[str, SplitShare]]
    """By class and split, how large a share of the class is in the split."""
    warnings: tuple[str, ...]
    """What a person should know, a sentence each."""
    converted: Mapping[str, int]
    """Images that were converted, by what was done."""
    ignored: tuple[str, ...]
    """Files of the source that lie outside of any class folder."""
    columns: tuple[str, ...]
    """Further columns that a manifest brought into the index."""
    settings: Mapping[str, Setting]
    """The step's settings."""
    checked: int
    """Images that were read, decoded and checked."""
    reused: int
    """Images that were not, an earlier dataset having the same ones."""
    shards: tuple[Shard, ...]
    """The files that hold the images, in the order of the index."""

    _opened: dict[str, int] = PrivateAttr(default_factory=dict)

    @property
    def opened(self) -> dict[str, int]:
        """Bytes of the shards that were looked for in it so far, by name: each is downloaded or opened once."""
        return self._opened

    @property
    def evaluation_split(self) -> str:
        """The split that a model is judged on: `test` where there is one, else `validation`."""
        return TEST if TEST in self.counts else VALIDATION

    def count(self, split: str) -> int:
        """Returns how many images a split has."""
        return sum(self.counts[split].values())

    def index(self, split: str, columns: list[str]) -> dict[str, list[Any]]:  # type: ignore[explicit-any]  # a manifest's columns
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
