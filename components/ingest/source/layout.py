"""The images of a source with their splits and classes, however it tells them."""

import dataclasses
import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import takewhile

from graft.components.common.artifacts.dataset import TRAIN
from graft.components.common.artifacts.outcomes.results import listed
from graft.components.common.errors import GraftError
from graft.components.ingest.source.file_names import look_of, parts_of, printable
from graft.components.ingest.source.labelled_images import LabelledImage, LabelledImages

_MANY_CLASSES = 10


@dataclass(frozen=True, slots=True)
class Layout:
    """The files of a source, sorted by path.

    Attributes:
        images: Those in class folders.
        ignored: Those outside any class folder, and folders that Graft wrote itself.
        classes: The class names in label order.
        columns: Names of a manifest's further columns.
        passed_over: How many files and folders can't be images by their names, by what they are.
        warnings: What a person should know, a sentence each.
    """

    images: LabelledImages
    ignored: list[str]
    classes: list[str]
    columns: list[str] = field(default_factory=list)
    passed_over: Mapping[str, int] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)


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
    layout = Layout(images, ignored, classes, columns or [], warnings=[*_alike(classes)])
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
        return hashlib.sha256("/".join(parts_of(printable(image.path))[shared:]).encode()).digest()

    for image in sorted(layout.images, key=order):
        if taken[image.split, image.label] < limit:
            taken[image.split, image.label] += 1
            kept.add(image.path)
    return dataclasses.replace(layout, images=LabelledImages(image for image in layout.images if image.path in kept))


def _shared_folders(paths: Iterable[str]) -> int:
    """Returns how many folders, from the first one on, are the same for all paths."""
    shared: tuple[str, ...] | None = None
    for path in paths:
        folders = parts_of(path)[:-1]
        pairs = zip(folders, folders if shared is None else shared, strict=False)
        shared = tuple(one for one, _ in takewhile(lambda pair: pair[0] == pair[1], pairs))
    return len(shared or ())


def _alike(classes: Iterable[str]) -> Iterator[str]:
    """Yields a warning if classes have names that a person takes for the same."""
    by_look: dict[str, list[str]] = {}
    for name in classes:
        by_look.setdefault(look_of(name), []).append(name)
    if alike := [" and ".join(map(ascii, names)) for names in by_look.values() if len(names) > 1]:
        yield (
            f"Of the classes {listed(alike)} each is a class of its own, though their names differ only in case, spaces or signs that "
            "can't be seen: if they are the same, give them one name."
        )


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
            f"The source has only one class, {listed(sorted(reference))}: a classifier needs at least two. "
            "If it is a folder of classes, make it the source, or pack its content."
        )
    return sorted(reference)
