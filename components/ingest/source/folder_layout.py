"""Which class and split a file belongs to, read from where it stands in the source."""

import dataclasses
import functools
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator

from graft.components.common.artifacts.dataset import TRAIN
from graft.components.common.artifacts.outcomes.results import listed, one_line
from graft.components.common.errors import GraftError
from graft.components.ingest.config import FolderLayout
from graft.components.ingest.source.file_names import (
    class_name,
    is_called_image,
    junk_kind,
    may_be_hidden_class,
    parts_of,
    printable,
    sidecar_kind,
)
from graft.components.ingest.source.labelled_images import LabelledImage, LabelledImages
from graft.components.ingest.source.layout import Layout, arranged
from graft.components.ingest.source.layout_doubts import Folder, refuse_doubtful
from graft.components.ingest.source.split_names import split_of

EXPECTED = "expected train/<class>/ with validation/<class>/ or test/<class>/, or just <class>/ folders"


def read_layout(paths: Iterable[str], kind: FolderLayout = "auto") -> Layout:
    """Finds splits and classes among a source's paths.

    All of it may lie one folder further down. What file systems and desktops leave in folders is passed over, and so are files beside
    images that are none by their names.

    Args:
        paths: The files' paths relative to the source, with forward slashes. One that ends in a slash is a folder's.
        kind: What the folders mean. `auto` finds out, and refuses to guess.

    Raises:
        GraftError: There are no class folders, fewer than two classes, splits whose classes differ, a folder that looks like a split
            under another name, or, with `auto`, folders that may mean two things.
    """
    # Paths are taken apart again in each pass: to keep their parts would take many times the memory of the paths.
    files, empty, hidden, passed_over = _sorted_out(paths)
    folders = {parts_of(_folder(path)) for path in files if not sidecar_kind(path)}
    root = _root(folders)
    below = sorted(folder[len(root) :] for folder in folders if folder[: len(root)] == root and len(folder) > len(root))
    has_train = any(len(one) > 1 and split_of(one[0]) == TRAIN for one in below)
    meant: FolderLayout = kind if kind != "auto" else "split/class" if has_train else "class"
    meaning = _Meaning(root, meant)
    meaning.refuse_strangers(below)
    if kind == "auto":
        refuse_doubtful(below, meant)
    place = functools.cache(lambda folder: meaning.place(parts_of(folder)))
    ignored = []

    def found() -> Iterator[LabelledImage]:
        for path in files:
            if (here := place(_folder(path))) is None:
                ignored.append(path)
            elif pattern := sidecar_kind(path):
                passed_over[pattern] += 1
                empty.add(_folder(path))
            else:
                yield LabelledImage(path, *here)

    images = LabelledImages(found())
    if not images:
        held = f", only {listed(ignored)}" if ignored else ""
        raise GraftError(f"The source has no class folders with images in them{held}: {EXPECTED}.")
    layout = arranged(images, ignored, expected=EXPECTED)
    warnings = [
        *layout.warnings,
        *meaning.spellings(below),
        *_without_images(empty, meaning, images),
        *_hidden(hidden, meaning),
        *_outside(ignored),
    ]
    return dataclasses.replace(layout, passed_over=dict(sorted(passed_over.items())), warnings=warnings)


def _sorted_out(paths: Iterable[str]) -> tuple[list[str], set[str], set[str], Counter[str]]:
    """Sorts paths out.

    Returns:
        The files that may be a user's own, sorted; folders that are there though they may be empty; hidden ones that may be a user's; and
        counts of what is passed over.
    """
    files, folders, hidden, passed_over = [], set(), set(), Counter[str]()
    seen = set()
    for path in paths:
        parts = path.split("/")
        kinds = ((number, kind) for number, part in enumerate(parts) if part != "." and (kind := junk_kind(part)))
        if junk := next(kinds, None):
            number, kind = junk
            place = "/".join(parts[: number + 1])
            passed_over[kind] += place not in seen
            if place != path:  # a folder, which counts once
                seen.add(place)
                hidden |= {place} if may_be_hidden_class(parts[number]) else set()
            folders.add("/".join(parts[:number]))
        elif path.endswith("/"):
            folders.add(path.rstrip("/"))
        else:
            files.append(path)
    return sorted(files), folders, hidden, passed_over


def _root(folders: Collection[Folder]) -> Folder:
    """Returns the folder that holds the layout: the source itself, or the only folder in it if that has folders.

    It is taken to lie deeper only beyond doubt: where a folder holds nothing but one of its own name, or one with training images.
    """
    root: Folder = ()
    while True:
        depth = len(root)
        names = {folder[depth] for folder in folders if len(folder) > depth}
        deeper = {folder[depth + 1] for folder in folders if len(folder) > depth + 1}
        if len(names) != 1 or not deeper:
            return root
        (only,) = names
        if split_of(only) or (root and only != root[-1] and TRAIN not in map(split_of, deeper)):
            return root
        root += (only,)


class _Meaning:
    """What the folders below `root` mean."""

    def __init__(self, root: Folder, kind: FolderLayout) -> None:
        self.root = root
        self._kind, self._class_at = kind, 1 if kind == "split/class" else 0

    def place(self, folder: Folder) -> tuple[str | None, str] | None:
        """Returns the split and the class of the files in a folder of the source; None if they have none."""
        depth = len(self.root)
        names = folder[depth:]
        if folder[:depth] != self.root or not names:
            return None
        if self._kind == "class":
            return None, class_name(names[0])
        split = split_of(names[1 - self._class_at]) if len(names) > 1 else None
        return (split, class_name(names[self._class_at])) if split else None

    def class_folder(self, folder: Folder) -> str:
        """Returns which folder of the source makes the class of a folder's files."""
        return "/".join(folder[: len(self.root) + (1 if self._kind == "class" else 2)])

    def refuse_strangers(self, below: Iterable[Folder]) -> None:
        """Refuses folders below the root that look like splits, but are called otherwise."""
        strangers = [names for names in below if self.place(self.root + names) is None]
        if self._kind == "class/split" and strangers:
            raise GraftError(
                f"{one_line('/'.join(strangers[0]))} has images, but is no split of a class, as --layout class/split says: call it train, "
                "validation or test, or move it away."
            )
        classes = {place[1] for names in below if (place := self.place(self.root + names))}
        for names in strangers:
            if len(names) > 1 and class_name(names[1]) in classes:
                raise GraftError(
                    f"{one_line(names[0])}/ beside train/ has the class folder {one_line(names[1])}, but is not a split: "
                    "call it validation or test, or move it away."
                )

    def spellings(self, below: Iterable[Folder]) -> Iterator[str]:
        """Yields a warning for folders side by side that make one class, though their names differ in what can't be seen.

        And one for classes whose names are no text.
        """
        names: dict[tuple[Folder, str], dict[str, None]] = defaultdict(dict)
        for folder in below:
            if place := self.place(self.root + folder):
                names[folder[: self._class_at], place[1]][folder[self._class_at]] = None
        for (_, label), spelt in names.items():
            if len(spelt) > 1:
                yield (
                    f"The folders {' and '.join(map(ascii, spelt))} make one class, {one_line(label)}: their names differ only in how "
                    "Unicode writes them, or in spaces at their ends."
                )
        mangled = sorted(
            {label for (_, label), spelt in names.items() if any(printable(name) != name for name in spelt)}
        )
        if mangled:
            yield f"The names of the folders of the classes {listed(mangled)} are no UTF-8, and so mangled: rename the folders."


def _without_images(folders: Iterable[str], meaning: _Meaning, images: LabelledImages) -> Iterator[str]:
    """Yields a warning that names the folders of classes or splits that have no images."""
    kinds, splits, found = set(images.kinds), images.splits, set()
    for name in folders:
        folder = parts_of(name)
        if place := meaning.place(folder):
            if place not in kinds:
                found.add(meaning.class_folder(folder))
        elif len(folder) == len(meaning.root) + 1 and (split := split_of(folder[-1])) and split not in splits:
            found.add(name)
    if found:
        yield f"No images are in {listed(sorted(found))}: fill such folders, or remove them."


def _hidden(folders: Iterable[str], meaning: _Meaning) -> Iterator[str]:
    """Yields a warning that names hidden folders where classes are."""
    if found := sorted(
        folder
        for folder in folders
        if meaning.place(names := parts_of(folder)) and meaning.class_folder(names) == "/".join(names)
    ):
        yield f"Hidden folders are passed over, though they lie where classes do: {listed(found)}. Rename what is a class."


def _outside(ignored: Iterable[str]) -> Iterator[str]:
    """Yields a warning that names images that are in no class."""
    if images := [path for path in ignored if is_called_image(path)]:
        are = "image lies" if len(images) == 1 else "images lie"
        yield f"{len(images):,} {are} outside of any class folder and so are not used: {listed(images)}."


def _folder(path: str) -> str:
    return path.rpartition("/")[0]
