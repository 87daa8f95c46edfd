"""What decides about the images' splits, as arrays of numbers, and the names of those few that have twins."""

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from graft.components.common.artifacts.dataset import SPLITS, LeftOutTwin
from graft.components.common.compute.likeness.miniatures import Miniatures, as_rows, mark
from graft.components.common.compute.likeness.twins import IDENTICAL, Twins, find_twins, first_alike
from graft.components.ingest.dataset.collected_rows import CollectedRows

if TYPE_CHECKING:
    import pyarrow as pa

Array = np.ndarray[Any, Any]

NOWHERE = -1
"""The split of an image that is left out."""


class LeftOut(NamedTuple):
    """Why an image is left out.

    Attributes:
        twin: The twin's number.
        distance: Bits in which the hashes of both differ, or IDENTICAL.
        reason: The reason, for people.
    """

    twin: int
    distance: int
    reason: str


class ImageArrays:
    """The images by number.

    Args:
        rows: The rows that were collected.

    Attributes:
        splits: int8 [N], index in SPLITS of the split that each image was given as it came; NOWHERE for one that is left out.
        labels: int32 [N], index of its class in `label_names`.
        label_names: The classes in the order in which they came.
    """

    def __init__(self, rows: CollectedRows) -> None:
        count = len(rows)
        self._rows = rows
        self._names: dict[int, tuple[str, str]] = {}
        self.splits, self.labels = np.empty(count, np.int8), np.empty(count, np.int32)
        self._phashes, self._brightness = np.empty(count, np.uint64), np.empty(count, np.float32)
        digests, marks = np.empty(count, np.uint64), np.empty(count, np.uint64)
        labels, start = dict[str, int](), 0
        for batch in rows.batches("split", "label", "phash", "brightness", "miniature", "sha256"):
            part = slice(start, start := start + len(batch))
            self.splits[part] = _numbers(batch["split"], lambda split: SPLITS.index(split) if split else NOWHERE)
            self.labels[part] = _numbers(batch["label"], lambda label: labels.setdefault(label, len(labels)))
            self._phashes[part] = np.frombuffer(bytes.fromhex("".join(batch["phash"].to_pylist())), ">u8")
            self._brightness[part] = batch["brightness"]
            marks[part] = mark(as_rows(batch["miniature"]))
            digests[part] = as_rows(batch["sha256"]).view(np.uint64)[:, 0]
        self.label_names = list(labels)
        self._miniatures = Miniatures(marks, self._read_miniatures)
        # The first 64 bits of digests are as good as all of them: images that share them look the same as well.
        self._contents = first_alike(digests)

    def digests(self) -> Iterator[str]:
        """Yields the SHA-256 of every image."""
        for batch in self._rows.batches("sha256"):
            yield from (digest.hex() for digest in batch["sha256"].to_pylist())

    def twins(self, groups: Array) -> Twins:
        """Finds the nearest twin of every image in every split, and reads the names of all that have or are one.

        Args:
            groups: int [N], index of each image's split; NOWHERE for one that is nobody's twin.
        """
        twins = find_twins(
            self._contents, self._phashes, self._brightness, groups, len(SPLITS), miniatures=self._miniatures
        )
        there = twins.twin >= 0
        self.read_names(np.union1d(np.flatnonzero(there.any(axis=1)), twins.twin[there]))
        return twins

    def _read_miniatures(self, numbers: Array) -> Array:
        return as_rows(self._rows.take(numbers, "miniature")["miniature"].combine_chunks())

    def read_names(self, numbers: Array) -> None:
        """Reads the paths and digests of some images, which `path` and `left_out` need.

        Args:
            numbers: int [M], the images' numbers.
        """
        named = self._rows.take(numbers, "path", "sha256").to_pydict()
        pairs = zip(named["path"], map(bytes.hex, named["sha256"]), strict=True)
        self._names.update(zip(numbers.tolist(), pairs, strict=True))

    def path(self, number: int) -> str:
        """Returns an image's path."""
        return self._names[number][0]

    def label(self, number: int) -> str:
        """Returns an image's class."""
        return str(self.label_names[self.labels[number]])

    def left_out(self, number: int, why: LeftOut) -> LeftOutTwin:
        """Returns what the Dataset says of an image that is left out for its twin."""
        (path, sha256), (twin, twin_sha256) = self._names[number], self._names[why.twin]
        return LeftOutTwin(
            path=path,
            label=self.label(number),
            reason=why.reason,
            sha256=sha256,
            twin=twin,
            twin_sha256=twin_sha256,
            distance=max(why.distance, 0),
            identical=why.distance == IDENTICAL,
        )


def _numbers(words: "pa.Array", number: Callable[[str], int]) -> Array:
    """Returns the numbers of words of which there are few different ones: int [N]."""
    encoded = words.dictionary_encode()
    numbers = np.array([number(word) for word in encoded.dictionary.to_pylist()])
    return np.asarray(numbers[encoded.indices.to_numpy()])
