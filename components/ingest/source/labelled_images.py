"""The files of a source that ought to be images."""

import json
from array import array
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import overload


@dataclass(frozen=True, slots=True)
class LabelledImage:
    """A file that ought to be an image.

    Attributes:
        path: Its path within the source.
        split: Its split, or None where the source has no splits.
        label: Its class.
        columns: What a manifest tells of it besides, in the order of the layout's `columns`.
    """

    path: str
    split: str | None
    label: str
    columns: tuple[str, ...] = ()


class LabelledImages(Sequence[LabelledImage]):
    """A sequence of files that takes little more memory than their paths' bytes, since there may be a million.

    100,000 take 5 MiB; in a list they take 16 MiB, by which the peak of `make bench-ingest` would be above 1.3 times that of 3,000.

    Args:
        images: The files.

    Attributes:
        kinds: The splits and labels that occur together, in the order in which they come.
    """

    def __init__(self, images: Iterable[LabelledImage] = ()) -> None:
        self._paths, self._columns = _Texts(), _Texts()
        self._kind_of = array("I")
        numbers: dict[tuple[str | None, str], int] = {}
        for image in images:
            self._paths.append(image.path)
            self._columns.append(json.dumps(image.columns) if image.columns else "")
            self._kind_of.append(numbers.setdefault((image.split, image.label), len(numbers)))
        self.kinds = list(numbers)

    def __len__(self) -> int:
        return len(self._kind_of)

    @overload
    def __getitem__(self, number: int) -> LabelledImage: ...

    @overload
    def __getitem__(self, number: slice) -> list[LabelledImage]: ...

    def __getitem__(self, number: int | slice) -> LabelledImage | list[LabelledImage]:
        """Returns a file by its number, or some of them."""
        if isinstance(number, slice):
            return [self[one] for one in range(*number.indices(len(self)))]
        number = range(len(self))[number]
        columns = self._columns[number]
        return LabelledImage(
            self._paths[number], *self.kinds[self._kind_of[number]], tuple(json.loads(columns)) if columns else ()
        )

    def __eq__(self, other: object) -> bool:
        """Whether another sequence has the same files in the same order."""
        return isinstance(other, Sequence) and list(self) == list(other)

    @property
    def splits(self) -> set[str | None]:
        """The splits that occur, None for files without one."""
        return {split for split, _ in self.kinds}


class _Texts:
    """A growing list of strings, as their bytes one after the other."""

    def __init__(self) -> None:
        self._bytes, self._ends = bytearray(), array("Q", [0])

    def append(self, text: str) -> None:
        # A file's name that is no valid UTF-8 has lone surrogates.
        self._bytes += text.encode("utf-8", "surrogatepass")
        self._ends.append(len(self._bytes))

    def __getitem__(self, number: int) -> str:
        return self._bytes[self._ends[number] : self._ends[number + 1]].decode("utf-8", "surrogatepass")
