"""Whole files, whatever their size, from and to anywhere: resumed, verified, and tried again when a server has trouble."""

import errno
import logging
import shutil
from contextlib import nullcontext
from pathlib import Path
from uuid import uuid4

from fsspec.implementations.local import LocalFileSystem

from graft.components.common.artifacts.records import sha256_file
from graft.components.common.errors import GraftError
from graft.components.common.storage import files as storage
from graft.components.common.storage.download import check_whole, receive
from graft.components.common.storage.download_cache import cache_entry
from graft.components.common.storage.gcs import is_gcs, upload_to_gcs
from graft.components.common.storage.remote import ChangedError, Description, Remote, open_remote
from graft.components.common.storage.retries import persist, request

log = logging.getLogger("graft")

_FRESH_STARTS = 3
_NAME_LENGTH = 128


def fetch(uri: str, folder: Path, sha256: str = "", *, keep: bool = True) -> Path:
    """Makes a file readable at a local path: a local one where it is, a remote one by download.

    A download is kept in the user's cache (`$XDG_CACHE_HOME`, else `~/.cache`) and comes from there as long as the server
    tells that the file is the same. One that broke off goes on where it was.

    Args:
        uri: The file's path or URI.
        folder: Where a download goes that isn't kept, or can't be: there is no cache, or its server tells no version.
        sha256: The SHA-256 that the file must have, as hex digits; empty for any.
        keep: Whether the cache keeps a download.

    Returns:
        The file, to be read only.

    Raises:
        GraftError: The file is missing, isn't the one that `sha256` names, or the transfer failed for good.
    """
    fs, path = storage.filesystem(uri)
    if isinstance(fs, LocalFileSystem):
        storage.info(uri)
        file = Path(path)
        if file.is_file():  # a pipe would wait forever
            _check_sha256(file, sha256, uri)
        return file
    with storage.access(uri), open_remote(uri) as remote:
        trouble = ""
        for _ in range(_FRESH_STARTS):
            found = persist(remote.describe)
            try:
                return _fetch_version(uri, remote, found, folder, sha256, keep=keep)
            except ChangedError as error:
                trouble = str(error)
                log.warning("%s %s: downloading it afresh", storage.redact(uri), trouble)
    raise GraftError(
        f"{storage.redact(uri)} {trouble} during each of {_FRESH_STARTS} downloads: try again when it is at rest."
    )


def _fetch_version(uri: str, remote: Remote, found: Description, folder: Path, sha256: str, *, keep: bool) -> Path:
    with cache_entry(uri, found.version, folder) if found.version and keep else nullcontext(folder) as entry:
        # The name tells people and libraries what it is; it comes from the URL's path, where no secrets are.
        target = entry / (Path(storage.redact(uri)).name[-_NAME_LENGTH:] or "download")
        cached = entry != folder
        if cached and target.is_file() and found.size in (None, target.stat().st_size) and _has_sha256(target, sha256):
            log.info("%s is in the cache, at %s", storage.redact(uri), target)
            return target
        # In the cache a part is gone on with by the next run; elsewhere others may be downloading into the same folder.
        part = target.with_name(f"{target.name}.part" if cached else f"{target.name}.{uuid4().hex[:8]}.part")
        try:
            receive(storage.redact(uri), remote, found, part)
            check_whole(remote, found, part)
            _check_sha256(part, sha256, uri)
        except Exception as error:
            if not cached or isinstance(error, ChangedError | GraftError):
                part.unlink(missing_ok=True)  # else it is gone on with the next time
            if isinstance(error, OSError) and error.errno == errno.ENOSPC:
                raise GraftError(
                    f"{storage.redact(uri)} doesn't fit on the disk of {part.parent}: make room there, or set XDG_CACHE_HOME."
                ) from error
            raise
        return part.replace(target)


def _has_sha256(file: Path, sha256: str) -> bool:
    return not sha256 or sha256_file(file) == sha256.lower()


def _check_sha256(file: Path, sha256: str, uri: str) -> None:
    if not _has_sha256(file, sha256):
        raise GraftError(
            f"{storage.redact(uri)} has the SHA-256 {sha256_file(file)}, not {sha256.lower()}: it is another file, or a damaged one; "
            "get the right one, or correct the sum."
        )


def upload(path: Path, uri: str) -> None:
    """Copies a file, whatever its size, to a path or URI; there it is whole or not there at all.

    Args:
        path: The file.
        uri: Where it goes; what is there is replaced. Local folders that it is in are made.

    Raises:
        GraftError: It can't be written.
    """
    fs, target = storage.filesystem(uri)
    with storage.access(uri, "write"):
        if isinstance(fs, LocalFileSystem):
            _copy(path, Path(target))
        elif is_gcs(uri):
            with path.open("rb") as file:
                upload_to_gcs(file, path.stat().st_size, target)
            fs.invalidate_cache(target)
        else:
            persist(lambda: request(fs, "makedirs", target.rpartition("/")[0], exist_ok=True))
            persist(lambda: fs.put_file(str(path), target))  # an object is there once it is whole
            fs.invalidate_cache(target)


def _copy(path: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.with_name(f".{target.name}.{uuid4().hex}.part")
    try:
        shutil.copyfile(path, temporary)
        temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)
