"""Walking through a local folder, links followed."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

from graft.components.common.errors import GraftError
from graft.components.common.storage.troubles.access import FileError, MissingError, access

_LOOP = "is a link to a folder that it is in"
# What links may make of a folder: so many times what is in it, and so many files and folders besides.
_TIMES, _BESIDES = 10, 10_000


def walk(
    root: Path,
    is_left_out: Callable[[Path], bool] = lambda _: False,
    refused: Callable[[Path, FileError], None] | None = None,
) -> Iterator[tuple[Path, bool]]:
    """Yields what is below a local folder, links followed; folders that vanish meanwhile are left out.

    Args:
        root: The folder.
        is_left_out: Tells of a folder below it that it is not to be looked into.
        refused: Is told of folders that can't be walked through, which then are left out.

    Yields:
        Everything that is not itself a folder, with False; folders that are empty or left out, with True.

    Raises:
        FileError: A folder can't be listed, or is a link to one that it is in, so that the walk would never end.
        GraftError: Links lead to the same folders so often that there would be far more files than there are.
    """
    seen, once, again = set[tuple[int, int]](), 0, 0
    pending: list[tuple[Path, frozenset[tuple[int, int]]]] = [(root, frozenset())]
    while pending:
        folder, above = pending.pop()
        try:
            with access(str(folder)):
                status = folder.stat()
                with os.scandir(folder) as entries:
                    children = [(folder / entry.name, _is_folder(entry)) for entry in entries]
            identity = (status.st_dev, status.st_ino)
            if identity in above:
                raise FileError(f"{folder} {_LOOP}: remove the link.", _LOOP)
            once, again = (once, again + len(children)) if identity in seen else (once + len(children), again)
            seen.add(identity)
            if again > _TIMES * once + _BESIDES:
                raise GraftError(
                    f"{root} has links by which its {once:,} files and folders would be {once + again:,} or more: remove links that lead "
                    "to the same folders again and again."
                )
        except MissingError:
            if folder == root:
                raise
            continue
        except FileError as error:
            if refused is None:
                raise
            refused(folder, error)
            continue
        if not children and folder != root:
            yield folder, True
        for child, is_folder in children:
            if is_folder and not is_left_out(child):
                pending.append((child, above | {identity}))
            else:
                yield child, is_folder


def _is_folder(entry: os.DirEntry[str]) -> bool:
    """Whether an entry is a folder, or a link to one. Without a look at the file itself, most systems' listings tell of all but links."""
    return Path(entry).is_dir() if entry.is_symlink() else entry.is_dir()
