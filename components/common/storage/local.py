"""Local files: written whole and for good, and read without waiting forever."""

import contextlib
import errno
import hashlib
import itertools
import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from io import BufferedReader
from pathlib import Path
from typing import IO
from uuid import uuid4

from graft.components.common.ending import undone
from graft.components.common.storage.troubles.access import FileError, access

# What network drives say that flush no folders, and folders that may be written but not read. The file is in its place all the same.
_NOT_FLUSHED = (errno.EINVAL, errno.ENOTSUP, errno.EACCES)
_PIPE = "is a pipe, a socket or a device"
_PART = ".part"  # no suffix that a reader looks for


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[IO[bytes]]:
    """Opens a new file that takes a place once it is whole: no reader, and no crash of the machine, ever leaves a part of it.

    Args:
        path: The place; folders that it is in are made.

    Yields:
        The file, to be written.

    Raises:
        OSError: It can't be written; then what was there before still is.
    """
    make_folder(path.parent)
    temporary = path.with_name(f".{path.name}.{uuid4().hex}{_PART}")
    try:
        with undone(lambda: temporary.unlink(missing_ok=True)):
            with temporary.open("wb") as file:
                yield file
            put_in_place(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def remove_leftovers(path: Path) -> None:
    """Removes what killed processes left that were `replacing` a file, which nobody may be doing now."""
    for file in path.parent.iterdir():
        if file.name.startswith(f".{path.name}.") and file.name.endswith(_PART):
            with contextlib.suppress(PermissionError):  # somebody else's, who removes it
                file.unlink(missing_ok=True)


def put_in_place(part: Path, path: Path) -> Path:
    """Renames a file that is whole to its place, so that it is there also after a crash of the machine.

    Returns:
        The place.

    Raises:
        OSError: It can't be renamed; then what was there before still is.
    """
    _flush(part)
    part.replace(path)
    _flush_names(path.parent)
    return path


def make_folder(folder: Path) -> None:
    """Makes a folder and those that it is in, where there are none, so that they are there also after a crash of the machine.

    Raises:
        OSError: One can't be made.
    """
    missing = list(itertools.takewhile(lambda place: not place.exists(), (folder, *folder.parents)))
    folder.mkdir(parents=True, exist_ok=True)
    for made in reversed(missing):
        _flush_names(made.parent)


def flush(file: Path) -> None:
    """Brings a file's content to the disk.

    Raises:
        FileError: The disk refuses.
    """
    with access(str(file), "write"):
        _flush(file)


def flush_folder(folder: Path) -> None:
    """Brings a folder and all that is below it to the disk, so that it is as it is now also after a crash of the machine.

    Raises:
        FileError: The disk refuses.
    """
    with access(str(folder), "write"):
        for place, _, names in os.walk(folder, topdown=False):
            for name in names:
                _flush(Path(place, name))
            _flush_names(Path(place))
        _flush_names(folder.parent)


def rename_folder(folder: Path, place: Path) -> bool:
    """Renames a folder, all of which is on the disk, so that it is there also after a crash of the machine.

    Args:
        folder: The folder.
        place: Its new path, on the same disk.

    Returns:
        Whether it was renamed; if not, a folder that isn't empty, or a file, is there already.

    Raises:
        MissingError: The folder isn't there.
        FileError: It can't be renamed.
    """
    with access(str(folder), "write"):
        try:
            folder.rename(place)
        except OSError as error:
            if error.errno not in (errno.ENOTEMPTY, errno.EEXIST, errno.ENOTDIR):
                raise
            return False
        for parent in {folder.parent, place.parent}:
            _flush_names(parent)
    return True


def remove_folder(folder: Path) -> None:
    """Removes a folder, if there is one, and all that is below it, so that it is gone also after a crash of the machine.

    Raises:
        OSError: It can't be removed.
    """
    if folder.is_symlink():  # what it leads to is somebody else's
        folder.unlink(missing_ok=True)
    while folder.exists():
        try:
            shutil.rmtree(folder)
        except OSError as error:
            if error.errno not in (errno.ENOENT, errno.ENOTEMPTY):  # others remove it too, or write into it: once more
                raise
    _flush_names(folder.parent)


def _flush_names(folder: Path) -> None:
    try:
        _flush(folder)
    except OSError as error:
        if error.errno not in _NOT_FLUSHED:
            raise


def _flush(path: Path) -> None:
    opened = os.open(path, os.O_RDONLY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)


@contextlib.contextmanager
def scratch_folder(purpose: str) -> Iterator[Path]:
    """Makes a temporary folder, which is removed in the end, also if the process must end by force.

    Args:
        purpose: What it is for, a part of its name.
    """
    with (
        tempfile.TemporaryDirectory(prefix=f"graft-{purpose}-") as folder,
        undone(lambda: shutil.rmtree(folder, ignore_errors=True)),
    ):
        yield Path(folder)


def open_local(path: Path) -> BufferedReader:
    """Opens a local file for reading.

    Raises:
        OSError: It can't be read, or is a folder.
        FileError: It is neither a file nor a folder.
    """
    kind = path.stat().st_mode
    if not stat.S_ISREG(kind) and not stat.S_ISDIR(kind):  # a pipe would wait forever
        raise FileError(f"{path} {_PIPE}: name a file.", _PIPE)
    return path.open("rb")


def sha256_file(path: Path) -> str:
    """Returns the SHA-256 of a file's bytes as hex digits.

    Raises:
        OSError: It can't be read, or is a folder.
        FileError: It is neither a file nor a folder.
    """
    with open_local(path) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
