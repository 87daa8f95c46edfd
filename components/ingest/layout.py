"""Which class and split a file belongs to, read from where it stands in the source."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import PurePosixPath

from graft.components.common.dataset import TEST, TRAIN, VALIDATION
from graft.components.common.errors import GraftError

_SPLIT_NAMES = {"train": TRAIN, "validation": VALIDATION, "val": VALIDATION, "valid": VALIDATION, "test": TEST}
_JUNK = {"__macosx", "thumbs.db", "desktop.ini"}

EXPECTED = "expected train/<class>/ with validation/<class>/, val/<class>/ or test/<class>/, or just <class>/ folders"


@dataclass(frozen=True)
class Item:
    """A file that ought to be an image.

    Attributes:
        path: Its path within the source.
        split: Its split, or None where the source has no splits.
        label: Its class.
    """

    path: str
    split: str | None
    label: str


@dataclass(frozen=True)
class Layout:
    """The files of a source, sorted by path.

    Attributes:
        items: Those in class folders.
        ignored: Those outside any class folder.
        classes: The class names in label order.
    """

    items: list[Item]
    ignored: list[str]
    classes: list[str]


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
    files = sorted(path for path in paths if not _is_junk(path))
    root = _root(files)
    depth = len(root)
    inside = [(path, PurePosixPath(path).parts[depth:]) for path in files if PurePosixPath(path).parts[:depth] == root]
    has_splits = any(len(parts) > 2 and parts[0].lower() == TRAIN for _, parts in inside)
    items, ignored = [], [path for path in files if PurePosixPath(path).parts[:depth] != root]
    for path, parts in inside:
        split = _SPLIT_NAMES.get(parts[0].lower()) if has_splits else None
        if has_splits and split and len(parts) > 2:
            items.append(Item(path, split, printable(parts[1])))
        elif not has_splits and len(parts) > 1:
            items.append(Item(path, None, printable(parts[0])))
        else:
            ignored.append(path)
    labels = {item.label for item in items}
    for _, parts in inside if has_splits else ():
        if len(parts) > 2 and parts[0].lower() not in _SPLIT_NAMES and printable(parts[1]) in labels:
            raise GraftError(
                f"{parts[0]}/ beside train/ has the class folder {parts[1]}, but is no split: name it validation or test, or move it away."
            )
    if not items:
        raise GraftError(f"The source has no class folders with files in them: {EXPECTED}.")
    if {item.split for item in items} == {TRAIN}:
        items = [Item(item.path, None, item.label) for item in items]
    return Layout(items, ignored, _classes(items))


def printable(name: str) -> str:
    """Makes a file name that is no valid UTF-8 writable as text."""
    return name.encode("utf-8", "backslashreplace").decode()


def _is_junk(path: str) -> bool:
    return any(part.startswith(".") or part.lower() in _JUNK for part in PurePosixPath(path).parts)


def _root(files: list[str]) -> tuple[str, ...]:
    """Returns the folder that holds the layout: the source itself, or the only folder in it if that has folders."""
    parts = [PurePosixPath(path).parts for path in files]
    folders = {part[0] for part in parts if len(part) > 1}
    if len(folders) == 1 and (only := folders.pop()).lower() not in _SPLIT_NAMES and any(len(p) > 2 for p in parts):
        return (only,)
    return ()


def _classes(items: list[Item]) -> list[str]:
    by_split: dict[str | None, set[str]] = {}
    for item in items:
        by_split.setdefault(item.split, set()).add(item.label)
    if TRAIN not in by_split and None not in by_split:
        raise GraftError(f"The source has no training images: {EXPECTED}.")
    reference_split = TRAIN if TRAIN in by_split else None
    reference = by_split[reference_split]
    for split, labels in by_split.items():
        if labels != reference:
            raise GraftError(
                f"train has the classes {_names(reference)}, but {split} has {_names(labels)}: "
                "every split needs the same class folders."
            )
    if len(reference) < 2:
        raise GraftError(
            f"The source has only one class, {_names(reference)}: a classifier needs at least two class folders."
        )
    return sorted(reference)


def _names(labels: set[str]) -> str:
    return ", ".join(sorted(labels))
