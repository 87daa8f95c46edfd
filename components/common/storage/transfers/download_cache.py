"""Downloads are kept in the user's cache, each under its URL and its version, so that none is made twice."""

import contextlib
import fcntl
import functools
import hashlib
import logging
import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from graft.components.common.storage.local import sha256_file

log = logging.getLogger("graft")

_LOCK, _NOTE = "lock", ".sha256"
_DIGITS = 32
_TICK_SECONDS = 0.02  # longer than a file system's clock stands still: a change after it has another time


@contextlib.contextmanager
def cache_entry(uri: str, version: str, scratch: Path) -> Iterator[Path]:
    """Opens the one folder in which a version of a file is kept, for one process at a time.

    Other versions of the same URL are removed, so that the cache holds one file a URL, but for those that a process opened which
    still runs: it may read them. Names are digests: a URL may hold secrets.

    Args:
        uri: The file's URI.
        version: What changes whenever the file does.
        scratch: Another folder, for a machine without a cache.

    Yields:
        The folder, which is `scratch` where there can be no cache.
    """
    with contextlib.ExitStack() as opened:
        try:
            folder = _locked_folder(uri, version, opened)
        except OSError as error:
            log.info("Downloads are not kept for the next run: there can be no cache (%s).", error)
            folder = scratch
        yield folder
        if folder != scratch:
            _hold(folder)


def _locked_folder(uri: str, version: str, opened: contextlib.ExitStack) -> Path:
    of_uri = _made_root() / _digest(uri)
    of_uri.mkdir(mode=0o700, parents=True, exist_ok=True)
    _lock(opened.enter_context((of_uri / _LOCK).open("ab")))
    folder = of_uri / _digest(version)
    for other in of_uri.iterdir():
        if other.name not in (_LOCK, folder.name) and not _is_read(other):
            shutil.rmtree(other)
    folder.mkdir(exist_ok=True)
    return folder


def _is_read(folder: Path) -> bool:
    with (folder / _LOCK).open("ab") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


@functools.cache
def _hold(folder: Path) -> int:
    """Keeps a version from being removed as long as this process runs, since nothing tells when it has read it."""
    lock = os.open(folder / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    fcntl.flock(lock, fcntl.LOCK_SH)
    return lock


def note_digest(file: Path, sha256: str) -> None:
    """Notes a cached file's digest, and how the drive describes the file that has it.

    Args:
        file: The file, which has just been read or written.
        sha256: SHA-256 of its bytes, as hex digits.
    """
    time.sleep(_TICK_SECONDS)
    replacement = file.with_name(f"{file.name}{_NOTE}.part")
    replacement.write_text(f"{sha256} {_described(file)}")
    replacement.replace(file.with_name(f"{file.name}{_NOTE}"))


def is_intact(file: Path, sha256: str = "") -> bool:
    """Tells whether a cached file has the digest that was noted.

    It is read only if it was touched since: the time of the last change of a file's content or name can't be set by a program.

    Args:
        file: The file.
        sha256: The SHA-256 that it must have besides, as hex digits; empty for any.
    """
    try:
        noted, described = file.with_name(f"{file.name}{_NOTE}").read_text().split()
    except (OSError, ValueError):  # it was killed before it noted it, or is an older Graft's
        return False
    if described != _described(file):
        if sha256_file(file) != noted:
            log.warning("%s was changed after its download: downloading it again", file)
            return False
        note_digest(file, noted)
    return sha256.lower() in ("", noted)


def _described(file: Path) -> str:
    status = file.stat()
    return f"{status.st_size}-{status.st_ctime_ns}-{status.st_ino}"


def cache_root() -> Path:
    """Returns where the cache is, or would be.

    Raises:
        OSError: There can be none.
    """
    configured = Path(os.environ.get("XDG_CACHE_HOME", ""))
    try:
        base = configured if configured.is_absolute() else Path.home() / ".cache"
    except RuntimeError as error:
        raise OSError("this user has no home folder") from error
    if base.parent == Path(base.anchor) and base.name == ".cache":  # what a user without an account gets for a home
        raise OSError(f"the home folder is {base.anchor}")
    return base / "graft" / "downloads"


def _made_root() -> Path:
    """Returns the cache's folder, which is there and this user's alone.

    Raises:
        OSError: There can be none.
    """
    root = cache_root()
    root.mkdir(mode=0o700, parents=True, exist_ok=True)
    if root.stat().st_uid != os.getuid():  # who owns it could put other files into it
        raise OSError(f"{root} belongs to another user")
    return root


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()[:_DIGITS]


def _lock(file: IO[bytes]) -> None:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        log.info("Waiting for another process that downloads the same file.")
        fcntl.flock(file, fcntl.LOCK_EX)
