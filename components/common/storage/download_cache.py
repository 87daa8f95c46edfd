"""Downloads are kept in the user's cache, each under its URL and its version, so that none is made twice."""

import contextlib
import fcntl
import hashlib
import logging
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import IO

log = logging.getLogger("graft")

_LOCK = "lock"
_DIGITS = 32


@contextlib.contextmanager
def cache_entry(uri: str, version: str, scratch: Path) -> Iterator[Path]:
    """Opens the one folder in which a version of a file is kept, for one process at a time.

    Other versions of the same URL are removed, so that the cache holds one file a URL. Names are digests: a URL may hold secrets.

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


def _locked_folder(uri: str, version: str, opened: contextlib.ExitStack) -> Path:
    of_uri = _made_root() / _digest(uri)
    of_uri.mkdir(mode=0o700, parents=True, exist_ok=True)
    _lock(opened.enter_context((of_uri / _LOCK).open("ab")))
    folder = of_uri / _digest(version)
    for other in of_uri.iterdir():
        if other.name not in (_LOCK, folder.name):
            shutil.rmtree(other)
    folder.mkdir(exist_ok=True)
    return folder


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
