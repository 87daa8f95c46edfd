"""A manifest: a CSV or JSON Lines file that names images, wherever they lie, with their labels."""

import re
import sys
from collections.abc import Iterator
from itertools import zip_longest
from typing import IO

from graft.components.common import storage
from graft.components.common.artifacts.lists.source_listing import SourceListing
from graft.components.common.errors import GraftError
from graft.components.ingest.source.labelled_images import LabelledImage, LabelledImages
from graft.components.ingest.source.layout import Layout, arranged
from graft.components.ingest.source.manifests.image_places import ImagePlaces
from graft.components.ingest.source.manifests.manifest_images import ManifestImages
from graft.components.ingest.source.manifests.manifest_rows import MAX_COLUMNS, ManifestRow, read_rows, shown
from graft.components.ingest.stand_ins import stand_in

_FORMS = re.compile(r"\.(csv|jsonl)\Z", re.IGNORECASE)
_BEGINNING = 512
_WORKBOOKS = (b"PK\3\4", b"\xd0\xcf\x11\xe0")  # Excel's now and before 2007
EXPECTED = "expected columns uri and label, and split where images are to be for validation or test"


def is_manifest(uri: str) -> bool:
    """Whether a path or URI is called `*.csv` or `*.jsonl`, a query string left aside."""
    return _FORMS.search(storage.redact(uri)) is not None


def open_manifest(
    uri: str,
    sha256: str = "",
    reach: storage.Reach = storage.Reach.NAMED,
    listing: SourceListing | None = None,
) -> tuple[ManifestImages, Layout]:
    """Reads a manifest at a path or URI.

    Args:
        uri: The manifest; a remote one is downloaded once.
        sha256: The SHA-256 that it must have, as hex digits; empty for any.
        reach: Which addresses may be asked for what the operator names. For what a remote manifest names it is public ones, and
            the manifest's own server, unless this says all.
        listing: What was told of its images already; None for nothing.

    Returns:
        The images it names, and their splits and classes.

    Raises:
        GraftError: It is missing, a row can't be used, two rows contradict each other, or all together are no training data.
    """
    if "://" in uri and "::" in uri:
        raise GraftError(f"{storage.redact(uri)} is a chain of URIs: name the manifest by a plain one.")
    with storage.scratch_folder("ingest") as scratch:
        path = storage.fetch(uri, scratch, sha256, reach=reach)
        if not path.is_file():  # a pipe would wait forever
            raise GraftError(
                f"{storage.redact(uri)} is not a file: name a CSV or JSON Lines file, or a folder of images."
            )
        places = ImagePlaces(uri, reach)
        with storage.access(uri), path.open("rb") as file:
            if instead := _instead(file.read(_BEGINNING)):
                raise GraftError(f"{storage.redact(uri)} {instead}.")
            file.seek(0)
            layout = _read_layout(storage.redact(uri), file, places)
    return ManifestImages(places, layout, listing), layout


def _instead(start: bytes) -> str:
    """Returns what a file is that is no manifest, whatever its name, and the remedy, by how it starts; empty if it may be one."""
    if start.startswith(_WORKBOOKS):
        return "is a workbook or an archive, though it is called a manifest: save its table as CSV"
    return stand_in(start)


def _read_layout(name: str, file: IO[bytes], places: ImagePlaces) -> Layout:
    """Reads the rows of a manifest, in the form that its name tells; `places` takes the images that it names."""
    found = _Found(name, places)
    for row in read_rows(file, name, is_csv=name.lower().endswith(".csv")):
        found.add(row)
    if not found.images:
        raise GraftError(f"{name} names no images: {EXPECTED}.")
    try:
        return arranged(LabelledImages(found.sorted_images()), [], found.columns, expected=EXPECTED)
    except GraftError as error:
        raise GraftError(f"{name}: {error}") from error


class _Found:
    """What the rows so far have named."""

    def __init__(self, name: str, places: ImagePlaces) -> None:
        self._name, self._places = name, places
        self.images: list[LabelledImage] = []
        self.columns: list[str] = []
        self._lines: list[int] = []
        self._numbers: dict[str, int] = {}  # the images' numbers by place

    def add(self, row: ManifestRow) -> None:
        """Takes a row that isn't there yet.

        Raises:
            GraftError: Its image is none that this manifest may name, or it contradicts an earlier row.
        """
        self.columns += [column for column in row.further if column not in self.columns]
        if len(self.columns) > MAX_COLUMNS:
            raise self._error(row, f"brings the number of further columns to more than {MAX_COLUMNS}: leave some out")
        try:
            path, place = self._places.add(row.uri)
        except ValueError as error:
            raise self._error(row, str(error)) from error
        columns = tuple(sys.intern(row.further.get(column, "")) for column in self.columns)
        image = LabelledImage(path, row.split, sys.intern(row.label), columns)
        number = self._numbers.setdefault(place, len(self.images))
        if number == len(self.images):
            self.images.append(image)
            self._lines.append(row.line)
            return
        if difference := self._difference(self.images[number], image):
            raise self._error(
                row,
                f"names the image of line {self._lines[number]} again, with another {difference}: leave one of them out",
            )
        if not self._places.is_at(self.images[number].path, row.uri):
            raise self._error(
                row,
                f"differs from the image of line {self._lines[number]} in its query string alone, which may be secret "
                "and is not kept: give the images different paths",
            )

    def sorted_images(self) -> Iterator[LabelledImage]:
        """Yields the images by path, all with all columns."""
        for image in sorted(self.images, key=lambda image: image.path):
            missing = len(self.columns) - len(image.columns)
            yield LabelledImage(image.path, image.split, image.label, image.columns + ("",) * missing)

    def _difference(self, old: LabelledImage, new: LabelledImage) -> str:
        if old.label != new.label:
            return "label"
        if old.split != new.split:
            return "split"
        pairs = zip_longest(old.columns, new.columns, fillvalue="")
        return next((shown(self.columns[place]) for place, (a, b) in enumerate(pairs) if a != b), "")

    def _error(self, row: ManifestRow, problem: str) -> GraftError:
        return GraftError(f"{self._name}, line {row.line}: {problem}.")
