"""Downloads: whole files, whatever their size, of one version, gone on with after trouble, checked, and kept for the next time."""

import errno
import hashlib
import logging
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from uuid import uuid4

import google_crc32c

from graft.components.common.errors import GraftError
from graft.components.common.progress import progress
from graft.components.common.storage.access import access
from graft.components.common.storage.download_cache import cache_entry
from graft.components.common.storage.local import put_in_place, sha256_file
from graft.components.common.storage.places import locate
from graft.components.common.storage.remote import ChangedError, Description, Remote, open_remote
from graft.components.common.storage.retries import TruncatedError, is_transient, persist
from graft.components.common.storage.uris import brief, redact

log = logging.getLogger("graft")

_FRESH_STARTS = 3
_NAME_LENGTH = 128
_PAUSE_SECONDS = 0.5
_BLOCK = 2**20


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
    if file := locate(uri).local:
        with access(uri):
            file.stat()
        if file.is_file():  # a pipe would wait forever
            _check_sha256(file, sha256, uri)
        return file
    with access(uri), open_remote(uri) as remote:
        trouble = ""
        for _ in range(_FRESH_STARTS):
            found = persist(remote.describe)
            try:
                return _fetch_version(uri, remote, found, folder, sha256, keep=keep)
            except ChangedError as error:
                trouble = str(error)
                log.warning("%s %s: downloading it afresh", redact(uri), trouble)
    raise GraftError(f"{redact(uri)} {trouble} during each of {_FRESH_STARTS} downloads: try again when it is at rest.")


def _fetch_version(uri: str, remote: Remote, found: Description, folder: Path, sha256: str, *, keep: bool) -> Path:
    with cache_entry(uri, found.version, folder) if found.version and keep else nullcontext(folder) as entry:
        # The name tells people and libraries what it is; it comes from the URL's path, where no secrets are.
        target = entry / (Path(redact(uri)).name[-_NAME_LENGTH:] or "download")
        cached = entry != folder
        if cached and target.is_file() and found.size in (None, target.stat().st_size) and _has_sha256(target, sha256):
            log.info("%s is in the cache, at %s", redact(uri), target)
            return target
        # In the cache a part is gone on with by the next run; elsewhere others may be downloading into the same folder.
        part = target.with_name(f"{target.name}.part" if cached else f"{target.name}.{uuid4().hex[:8]}.part")
        try:
            _receive(redact(uri), remote, found, part)
            _check_whole(remote, found, part)
            _check_sha256(part, sha256, uri)
        except Exception as error:
            if not cached or isinstance(error, ChangedError | GraftError):
                part.unlink(missing_ok=True)  # else it is gone on with the next time
            if isinstance(error, OSError) and error.errno == errno.ENOSPC:
                raise GraftError(
                    f"{redact(uri)} doesn't fit on the disk of {part.parent}: make room there, or set XDG_CACHE_HOME."
                ) from error
            raise
        return put_in_place(part, target)


def _has_sha256(file: Path, sha256: str) -> bool:
    return not sha256 or sha256_file(file) == sha256.lower()


def _check_sha256(file: Path, sha256: str, uri: str) -> None:
    if not _has_sha256(file, sha256):
        raise GraftError(
            f"{redact(uri)} has the SHA-256 {sha256_file(file)}, not {sha256.lower()}: it is another file, or a damaged one; "
            "get the right one, or correct the sum."
        )


def _receive(name: str, remote: Remote, found: Description, part: Path) -> None:
    """Receives a file, all but what is there of the same version. Trouble ends it only if for a minute no further byte comes.

    Raises:
        ChangedError: The file isn't the described one any more.
        Exception: What its client raised last.
    """
    with _progress(name, found.size) as advance, part.open("ab") as file:
        longest = file.tell() if found.version else 0

        def receive_some() -> bool:
            nonlocal longest
            start = file.tell() if found.version else 0
            if start and start == found.size:
                return True
            try:
                with remote.read(found, start) as (position, pieces):
                    file.truncate(position)
                    file.seek(position)
                    for piece in pieces:
                        file.write(piece)
                        advance((position + len(piece)) // 2**20 - position // 2**20)
                        position += len(piece)
            except Exception as error:
                if not is_transient(error) or file.tell() <= longest:
                    raise
                longest = file.tell()
                log.warning("%s broke off at %s bytes (%s): going on", name, f"{longest:,}", brief(error))
                time.sleep(_PAUSE_SECONDS)
                return False
            if found.size is not None and position < found.size:
                raise TruncatedError(f"{position} of {found.size} bytes came")
            return True

        while not persist(receive_some):
            pass


def _check_whole(remote: Remote, found: Description, part: Path) -> None:
    """Checks that a download is the described file, and of one version.

    Raises:
        ChangedError: It isn't.
    """
    if found.size is not None and part.stat().st_size != found.size:
        raise ChangedError("arrived at another length than announced")
    if found.version and persist(remote.describe).version != found.version:
        raise ChangedError("changed")
    if "md5" in found.checksums:
        with part.open("rb") as file:
            digest = hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).digest()
        if digest != found.checksums["md5"]:
            raise ChangedError("arrived damaged")
    elif "crc32c" in found.checksums and _crc32c(part) != found.checksums["crc32c"]:
        raise ChangedError("arrived damaged")


def _crc32c(path: Path) -> bytes:
    checksum = google_crc32c.Checksum()
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            checksum.update(block)
    return bytes(checksum.digest())


def _progress(name: str, size: int | None) -> AbstractContextManager[Callable[[int], None]]:
    if not size:
        return nullcontext(lambda units: None)
    return progress(f"downloading {name.rpartition('/')[2]}, MiB", size // 2**20)
