"""Folders that may mean two things: refused, with both readings and the option that chooses."""

from collections import defaultdict
from collections.abc import Collection

from graft.components.common.artifacts.dataset import TRAIN
from graft.components.common.artifacts.outcomes.results import listed
from graft.components.common.errors import GraftError
from graft.components.ingest.source.split_names import ALSO_CLASSES, split_of, split_within

Folder = tuple[str, ...]
"""The names that a folder's path consists of."""

_LOOSE = ""


def refuse_doubtful(folders: Collection[Folder], layout: str) -> None:
    """Refuses folders that may be no classes, though they stand where classes do.

    Args:
        folders: The folders with images, below the one that holds the layout.
        layout: How they are to be read: `split/class` or `class`. As an option it lets them through.

    Raises:
        GraftError: Classes have the names of splits, or hold splits, other classes, or all the same folders; or `train` lies beside folders
            that are no splits, and no split is there.
    """
    within: dict[str, set[str]] = defaultdict(set)  # what each class folder holds: folders, or images as `_LOOSE`
    class_at = 1 if layout == "split/class" else 0
    for folder in folders:
        if len(folder) > class_at and (class_at == 0 or split_of(folder[0])):
            within[folder[class_at]].add(folder[class_at + 1] if len(folder) > class_at + 1 else _LOOSE)
    for doubt in (_called_splits, _hold_splits, _hold_classes, _hold_the_same):
        if found := doubt(dict(within), layout):
            raise GraftError(found)
    if layout == "split/class" and (found := _train_alone({folder[0] for folder in folders})):
        raise GraftError(found)


def _called_splits(within: dict[str, set[str]], layout: str) -> str:
    named = {name for name, held in within.items() if split_of(name) and not (_may_be_class(name) and held == {_LOOSE})}
    spoken = {name: split for name in within if (split := split_within(name))}
    if TRAIN in spoken.values() and len(set(spoken.values())) > 1:
        named |= set(spoken)
    if not named:
        return ""
    though = "nothing lies in train/<class>/" if layout == "class" else "it stands where a class does"
    return (
        f"{_folders(named)} named like a split, though {though}. If it is a split, lay the images out as train/<class>/ with "
        f"validation/<class>/ or test/<class>/. If it is a class, add --layout {layout}."
    )


def _hold_splits(within: dict[str, set[str]], layout: str) -> str:
    for name, held in within.items():
        splits = {folder for folder in held if split_of(folder)}
        if len(splits) > 1 or not all(map(_may_be_class, splits)):
            by_class = "add --layout class/split" if layout == "class" else "move them up, beside train/"
            holder = _listed([name])
            return (
                f"The folder {holder} holds {_listed(splits)}, named like splits. If these are the splits of that class, {by_class}. If "
                f"{holder} is all there is to train on, name that folder as the source. If these only sort its images, add "
                f"--layout {layout}."
            )
    return ""


def _hold_classes(within: dict[str, set[str]], layout: str) -> str:
    for name, held in within.items():
        if others := held & (within.keys() - {name}):
            return (
                f"The folder {_listed([name])} holds {_listed(others)}, which are classes as well. If it is a copy of other folders, or "
                f"its images got there by mistake, move it away. If it is a class, add --layout {layout}."
            )
    return ""


def _hold_the_same(within: dict[str, set[str]], layout: str) -> str:
    first = next(iter(within.values()), set())
    if len(within) < 2 or len(first) < 2 or _LOOSE in first or any(held != first for held in within.values()):
        return ""
    return (
        f"The folders {_listed(within)} all hold the same folders: {_listed(first)}. If these are the classes, name one of the folders "
        "around them as the source, or call them train, validation and test. If they only sort the images of "
        f"{_listed(within)}, add --layout {layout}."
    )


def _train_alone(names: set[str]) -> str:
    others = {name for name in names if not split_of(name)}
    if not others or len({split_of(name) for name in names - others}) > 1:
        return ""
    return (
        f"{_folders(others)} no split, but beside one, {_listed(names - others)}. If only the split is to be used, add --layout "
        "split/class. If all of them are classes, add --layout class."
    )


def _may_be_class(name: str) -> bool:
    return name.lower() in ALSO_CLASSES


def _folders(names: Collection[str]) -> str:
    return f"The folder {_listed(names)} is" if len(names) == 1 else f"Each of the folders {_listed(names)} is"


def _listed(names: Collection[str]) -> str:
    return listed(sorted(names))
