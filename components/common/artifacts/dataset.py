"""The Dataset artifact: images with their splits and classes, as `dataset.json`, an index and shards of TFRecord."""

import hashlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, ClassVar

from pydantic import Field, PrivateAttr

from graft.components.common.artifacts.artifact import Artifact
from graft.components.common.artifacts.lists.tables import named_if_damaged
from graft.components.common.artifacts.lists.whole_lists import MOST, read_list, write_lists
from graft.components.common.artifacts.record import Part, Setting, Sparse

INDEX = "index.parquet"
LEFT_OUT = "left_out.parquet"
WHOLE_LISTS = "whole_lists.parquet"
"""All entries of the lists of which the record has the first ones alone; only a Dataset that has such lists has this file."""
MINIATURE, LABEL_KEPT = "miniature", "label_kept"
"""The columns of the index that an older Graft's lacks. A kept label is one that a person decided on: no search need suspect it."""
TRAIN, VALIDATION, TEST = "train", "validation", "test"
SPLITS = (TRAIN, VALIDATION, TEST)


class Unusable(Part):
    """A file that is no usable image, or that a correction removes."""

    path: str = Field(description="Its path in the source.")
    label: str = Field(description="Its class.")
    reason: str = Field(description="Why it is not usable.")
    version: Sparse[str] = Field(None, description="What changes when the file does; None if unknown.")


class LeftOutTwin(Part):
    """An image that was left out, being another one's twin."""

    path: str = Field(description="Its path in the source.")
    label: str = Field(description="Its class.")
    reason: str = Field(description="Why it was left out.")
    sha256: str = Field(description="SHA-256 of its bytes.")
    twin: str = Field(description="The other one's path.")
    twin_sha256: str = Field(description="SHA-256 of the other one's bytes.")
    distance: int = Field(description="Bits in which their perceptual hashes differ.")
    identical: bool = Field(description="Whether their bytes are the same.")


class TwinPair(Part):
    """Two images that are the same, or nearly."""

    path: str = Field(description="Path of the first one in the source.")
    split: str = Field(description="Its split, had it not been dropped.")
    label: str = Field(description="Its class.")
    twin: str = Field(description="Path of the second one.")
    twin_split: str = Field(description="Its split.")
    twin_label: str = Field(description="Its class.")
    distance: int = Field(description="Bits in which their perceptual hashes differ.")
    identical: bool = Field(description="Whether their bytes are the same.")
    dropped: bool = Field(description="Whether the first one was left out for being in two splits.")


class SplitShare(Part):
    """The share of a class's images in a split, of those that were split by content."""

    asked: float = Field(description="The share that the settings ask for.")
    obtained: float = Field(description="The share that it came to.")


class Relabelled(Part):
    """An image whose label a person corrected."""

    path: str = Field(description="Its path in the source.")
    label: str = Field(description="Its class.")
    source_label: str = Field(description="The class that the source gives it.")
    sha256: str = Field(description="SHA-256 of its bytes.")


class AppliedCorrections(Part):
    """What a list of corrections did to the images."""

    list: str = Field(description="Its path or URI, without secrets.")
    sha256: str = Field(description="SHA-256 of its bytes.")
    corrected: int = Field(description="Images that it gave another label than the source.")
    removed: int = Field(description="Images that it removed.")
    kept: int = Field(description="Images whose label a person found right.")
    without_effect: int = Field(
        description="Its rows that are about no image of the source, or about a label that it gives no more."
    )
    lines_without_effect: tuple[int, ...] = Field(description="The lines of the first of these rows.")


class Shard(Part):
    """A file of images."""

    uri: str = Field(description="Its URI in the store, or its name in the Dataset's directory.")
    images: int = Field(description="Images in it.")
    bytes: int = Field(description="Its size.")
    sha256: str = Field(description="SHA-256 of its bytes.")

    @property
    def name(self) -> str:
        """Its name, by which the index calls it."""
        return self.uri.rpartition("/")[2]


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

    classes: tuple[str, ...] = Field(description="The class names in label order.")
    counts: Mapping[str, Mapping[str, int]] = Field(description="Images by split and class.")
    digest: str = Field(description="Digest of images, labels, kept ones and splits, whatever the source.")
    source: str = Field(description="Path or URI of the source, without secrets.")
    source_digest: str = Field(description="What `resolve` found; empty if it was not asked.")
    excluded: tuple[LeftOutTwin | Unusable, ...] = Field(description="Files that were left out.")
    duplicates: tuple[TwinPair, ...] = Field(description="Twins, each pair once, those of which one was dropped first.")
    fractions: Mapping[str, Mapping[str, SplitShare]] = Field(description="Shares of each class, by class and split.")
    warnings: tuple[str, ...] = Field(description="What a person should know, a sentence each.")
    converted: Mapping[str, int] = Field(description="Images that were converted, by what was done.")
    ignored: tuple[str, ...] = Field(
        description="Files of the source that lie outside of any class folder, and folders that Graft itself wrote there."
    )
    passed_over: Mapping[str, int] = Field(
        {},
        exclude_if=lambda value: not value,
        description="Files and folders of the source that are no images by their names, counted by what they are.",
    )
    totals: Mapping[str, int] = Field(
        {},
        exclude_if=lambda value: not value,
        description="Entries of each list of which the first 1,000 stand here; `whole_lists.parquet` has all of them.",
    )
    corrections: Sparse[AppliedCorrections] = Field(None, description="What corrections did; None if none were given.")
    relabelled: tuple[Relabelled, ...] = Field(
        (), exclude_if=lambda entries: not entries, description="Images whose label was corrected."
    )
    columns: tuple[str, ...] = Field(description="Further columns that a manifest brought into the index.")
    settings: Mapping[str, Setting] = Field(description="Settings that it was ingested with.")
    checked: int = Field(description="Images that were read, decoded and checked.")
    reused: int = Field(description="Images that were not, an earlier dataset having the same ones.")
    shards: tuple[Shard, ...] = Field(description="The files that hold the images, in the order of the index.")

    LISTS: ClassVar[tuple[str, ...]] = ("excluded", "duplicates", "warnings", "ignored", "relabelled")
    """Fields that grow with the images and are cut in the record."""

    _opened: dict[str, int] = PrivateAttr(default_factory=dict)

    @property
    def opened(self) -> dict[str, int]:
        """Bytes of the shards that were looked for in it so far, by name: each is downloaded or opened once."""
        return self._opened

    def total(self, name: str) -> int:
        """Returns how many entries one of `LISTS` has, with those that are not in the record."""
        return self.totals.get(name) or len(getattr(self, name))

    def write(self, path: Path) -> None:
        """Writes the record, and, if it has lists too long for it, all their entries before it."""
        lists = {name: getattr(self, name) for name in self.LISTS}
        long = {name: entries for name, entries in lists.items() if len(entries) > MOST}
        if not long:
            super().write(path)
            return
        write_lists(path / WHOLE_LISTS, long)
        cut = {name: entries[:MOST] for name, entries in long.items()}
        totals = {name: len(entries) for name, entries in long.items()}
        super(Dataset, self.model_copy(update={**cut, "totals": totals})).write(path)
        self._path = path

    @property
    def evaluation_split(self) -> str:
        """The split that a model is judged on: `test` where there is one, else `validation`."""
        return TEST if TEST in self.counts else VALIDATION

    def count(self, split: str) -> int:
        """Returns how many images a split has."""
        return sum(self.counts[split].values())

    def twin_paths(self) -> set[str]:
        """Returns the paths of all images that have a twin, also of those pairs that the record has no room for.

        Raises:
            GraftError: The file with the whole lists is missing or damaged.
        """
        if "duplicates" not in self.totals:
            return {path for pair in self.duplicates for path in (pair.path, pair.twin)}
        import pyarrow as pa

        with named_if_damaged(self.path / WHOLE_LISTS):
            pairs = read_list(self.path / WHOLE_LISTS, "duplicates").select(["path", "twin"])
            if len(pairs) != self.totals["duplicates"] or any(column.null_count for column in pairs.columns):
                raise pa.ArrowInvalid("pairs are missing")
        return {path for column in pairs.columns for path in column.to_pylist()}

    def index(self, split: str, columns: list[str]) -> dict[str, list[Any]]:  # type: ignore[explicit-any]  # a manifest's columns
        """Reads columns of the index for one split.

        Returns:
            The columns' values by name, in the order of the shards.

        Raises:
            GraftError: The index is missing or damaged.
        """
        import pyarrow.parquet as pq

        with named_if_damaged(self.path / INDEX):
            table = pq.read_table(self.path / INDEX, columns=columns, filters=[("split", "=", split)])
        return dict(table.to_pydict())


def content_digest(images: Iterable[tuple[str, str, str]], kept: Iterable[str] = ()) -> str:
    """Returns the digest of a dataset's content, whatever the images' names, order and container.

    Args:
        images: Split, class and content SHA-256 of every image.
        kept: Content SHA-256 of the images whose label a person decided on.
    """
    import numpy as np

    # One JSON line an image, sorted. They are held as the bytes of the digests: 5 MiB for 100,000 images in place of 15, by which
    # the peak of `make bench-ingest` would be above 1.3 times that of 3,000.
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
    for sha256 in sorted(kept):
        digest.update(f'\n["{LABEL_KEPT}", "{sha256}"]'.encode())
    return digest.hexdigest()
