"""Which class and split a file belongs to, read from where it stands in the source."""

import dataclasses
import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import takewhile

from graft.components.common.artifacts.dataset import TEST, TRAIN, VALIDATION
from graft.components.common.artifacts.results import listed, one_line
from graft.components.common.errors import GraftError
from graft.components.ingest.source.labelled_images import LabelledImage, LabelledImages

SPLIT_NAMES = {"train": TRAIN, "validation": VALIDATION, "val": VALIDATION, "valid": VALIDATION, "test": TEST}
_MANY_CLASSES = 10
_JUNK = {"__macosx", "thumbs.db", "desktop.ini"}

EXPECTED = "expected train/<class>/ with validation/<class>/, val/<class>/ or test/<class>/, or just <class>/ folders"


@dataclass(frozen=True, slots=True)
class Layout:
    """The files of a source, sorted by path.

    Attributes:
        images: Those in class folders.
        ignored: Those outside any class folder.
        classes: The class names in label order.
        columns: Names of a manifest's further columns.
    """

    images: LabelledImages
    ignored: list[str]
    classes: list[str]
    columns: list[str] = field(default_factory=list)


def read_layout(paths: Iterable[str]) -> Layout:
    """Finds splits and classes among a source's paths.

    Two layouts are known, also one folder further down: `train/<class>/…` beside `validation|val|valid|test/<class>/…`, and
    `<class>/…`. Hidden files and the droppings of desktop systems are passed over.

    Args:
        paths: The files' paths relative to the source, with forward slashes.

    Raises:
        GraftError: There are no class folders, fewer than two classes, splits whose classes differ, or a folder beside
            `train` that looks like a split under another name.
    """
    # Paths are taken apart again in each pass: to keep their parts would take many times the memory of the paths.
    files = sorted(path for path in paths if not _is_junk(path))
    root = _root(files)
    depth = len(root)
    has_splits = any(
        len(parts) > 2 and parts[0].lower() == TRAIN
        for parts in (_parts(path)[depth:] for path in files if _parts(path)[:depth] == root)
    )
    ignored = []
    strangers: dict[tuple[str, str], None] = {}  # class folders in what is no split, in order

    def found() -> Iterator[LabelledImage]:
        for path in files:
            all_parts = _parts(path)
            parts = all_parts[depth:]
            split = SPLIT_NAMES.get(parts[0].lower()) if has_splits and parts else None
            if all_parts[:depth] != root:
                ignored.append(path)
            elif has_splits and split and len(parts) > 2:
                yield LabelledImage(path, split, printable(parts[1]))
            elif not has_splits and len(parts) > 1:
                yield LabelledImage(path, None, printable(parts[0]))
            else:
                ignored.append(path)
                if len(parts) > 2 and not split:
                    strangers[parts[0], parts[1]] = None

    images = LabelledImages(found())
    labels = {label for _, label in images.kinds}
    for folder, name in strangers:
        if printable(name) in labels:
            raise GraftError(
                f"{one_line(folder)}/ beside train/ has the class folder {one_line(name)}, but is not a split: "
                "call it validation or test, or move it away."
            )
    if not images:
        raise GraftError(f"The source has no class folders with files in them: {EXPECTED}.")
    return arranged(images, ignored, expected=EXPECTED)


def arranged(images: LabelledImages, ignored: list[str], columns: list[str] | None = None, *, expected: str) -> Layout:
    """Makes a layout of images, once their splits and classes are found to be sound.

    Args:
        images: One or more, sorted by path. If all are training images, their content will decide the split.
        ignored: Files that are no images.
        columns: Names of the images' further columns.
        expected: What the source should look like, for messages.

    Raises:
        GraftError: There are no training images, fewer than two classes, or splits whose classes differ.
    """
    classes = _classes(images, expected)
    layout = Layout(images, ignored, classes, columns or [])
    return by_hash(layout) if images.splits == {TRAIN} else layout


def by_hash(layout: Layout) -> Layout:
    """Returns a layout whose images' splits will be decided by their content, whatever the source says."""
    return dataclasses.replace(
        layout, images=LabelledImages(dataclasses.replace(image, split=None) for image in layout.images)
    )


def limited(layout: Layout, limit: int) -> Layout:
    """Returns a layout of at most so many images of each class in each split.

    Which ones follows from a digest of their paths, but for folders that all are in: the same again in every run, yet not the
    first ones of the alphabet, which often are all of one kind.
    """
    taken: Counter[tuple[str | None, str]] = Counter()
    kept = set()
    shared = _shared_folders(image.path for image in layout.images)

    def order(image: LabelledImage) -> bytes:
        return hashlib.sha256("/".join(_parts(printable(image.path))[shared:]).encode()).digest()

    for image in sorted(layout.images, key=order):
        if taken[image.split, image.label] < limit:
            taken[image.split, image.label] += 1
            kept.add(image.path)
    return dataclasses.replace(layout, images=LabelledImages(image for image in layout.images if image.path in kept))


def printable(name: str) -> str:
    """Makes a file name that is no valid UTF-8 writable as text."""
    return name.encode("utf-8", "backslashreplace").decode()


def _shared_folders(paths: Iterable[str]) -> int:
    """Returns how many folders, from the first one on, are the same for all paths."""
    shared: tuple[str, ...] | None = None
    for path in paths:
        folders = _parts(path)[:-1]
        pairs = zip(folders, folders if shared is None else shared, strict=False)
        shared = tuple(one for one, _ in takewhile(lambda pair: pair[0] == pair[1], pairs))
    return len(shared or ())


def _parts(path: str) -> tuple[str, ...]:
    return tuple(part for part in path.split("/") if part not in ("", "."))


def _is_junk(path: str) -> bool:
    return any(part.startswith(".") or part.lower() in _JUNK for part in _parts(path))


def _root(files: list[str]) -> tuple[str, ...]:
    """Returns the folder that holds the layout: the source itself, or the only folder in it if that has folders."""
    folders = {parts[0] for parts in map(_parts, files) if len(parts) > 1}
    has_folders = any(len(parts) > 2 for parts in map(_parts, files))
    if len(folders) == 1 and has_folders and (only := folders.pop()).lower() not in SPLIT_NAMES:
        return (only,)
    return ()


def _classes(images: LabelledImages, expected: str) -> list[str]:
    by_split: dict[str | None, set[str]] = {}
    for split, label in images.kinds:
        by_split.setdefault(split, set()).add(label)
    if TRAIN not in by_split and None not in by_split:
        raise GraftError(f"The source has no training images: {expected}.")
    # What has no split becomes training images, but for a share.
    reference = by_split.pop(TRAIN, set()) | by_split.pop(None, set())
    for split, labels in by_split.items():
        if labels == reference:
            continue
        found = f"train has the classes {listed(sorted(reference))}, but {split} has {listed(sorted(labels))}"
        if len(reference | labels) > _MANY_CLASSES:
            missing = reference - labels
            found = (
                f"{split} lacks {listed(sorted(missing))}"
                if missing
                else f"train lacks {listed(sorted(labels - reference))}"
            )
        raise GraftError(f"{found}: every split needs images of every class.")
    if len(reference) < 2:
        raise GraftError(
            f"The source has only one class, {listed(sorted(reference))}: a classifier needs at least two."
        )
    return sorted(reference)
