"""Whose an unfinished folder is: a marker in it names its owner, who holds a lock of the operating system on it.

The lock ends with its process, however that ends, so that what a killed step left never blocks the next attempt.
"""

import contextlib
import errno
import fcntl
import os
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import uuid4

from graft.components.common import storage
from graft.components.common.artifacts.record import utc_now
from graft.components.common.errors import GraftError

MARKER = ".unfinished"
_NO_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP)
_LONGEST = 500
_TRIES = 100


@contextlib.contextmanager
def owned(folder: Path) -> Iterator[Callable[[], bool]]:
    """Makes a folder, if it isn't there, and holds it against every other process and thread that asks for it here.

    The marker stays when the context ends: its owner removes it, or it tells that what is there is a leftover.

    Args:
        folder: The folder.

    Yields:
        Tells whether the folder is still its owner's. On a drive whose locks don't reach other machines, one of those may have
        taken it for a leftover; and anybody may have deleted it.

    Raises:
        GraftError: Another process has it, or may have it, on a drive without locks.
    """
    marker = folder / MARKER
    name = f"process {os.getpid()} on {socket.gethostname()} since {utc_now()}\n{uuid4().hex}\n".encode()

    def is_mine() -> bool:
        try:
            return marker.read_bytes() == name
        except FileNotFoundError:
            return False

    for left in reversed(range(_TRIES)):
        try:
            storage.make_folder(folder)
            opened, is_new = _open(marker)
        except (FileExistsError, FileNotFoundError):  # its owner has just removed the folder, or the marker
            if not left:
                raise
            continue
        with os.fdopen(opened, "r+b", buffering=0) as file:
            _lock(file.fileno(), folder, is_new=is_new)
            file.truncate()
            file.write(name)
            if is_mine():  # else its owner removed it before it let go of it
                yield is_mine
                return
    raise GraftError(f"{folder} is begun and removed by other processes all the time: name another folder.")


def _open(marker: Path) -> tuple[int, bool]:
    """Opens the marker, which is made if it isn't there; returns also whether it was."""
    flags = os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        return os.open(marker, flags | os.O_CREAT | os.O_EXCL, 0o666), True
    except FileExistsError:
        return os.open(marker, flags), False


def _lock(opened: int, folder: Path, *, is_new: bool) -> None:
    try:
        fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise GraftError(
            f"{folder} is being filled by {_owner(opened)}: wait until that has ended, or name another folder; once that process "
            "is dead, run this again."
        ) from error
    except OSError as error:
        if error.errno not in _NO_LOCKS:
            raise
        if not is_new:
            raise GraftError(
                f"{folder} was begun by {_owner(opened)}, and its drive has no locks that tell whether that still works: remove the "
                "folder if that process is dead, or name another folder."
            ) from error


def _owner(opened: int) -> str:
    name = os.pread(opened, _LONGEST, 0).decode(errors="replace").partition("\n")[0]
    return name if name and name.isprintable() else "a process that has just begun"
