"""Downloads: whole files, whatever their size, of one version, gone on with after trouble, checked, and kept for the next time."""

import errno
import logging
import shutil
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from uuid import uuid4

from graft.components.common.errors import GraftError
from graft.components.common.progress import progress
from graft.components.common.storage.digests import Digests
from graft.components.common.storage.local import put_in_place, sha256_file
from graft.components.common.storage.places import locate
from graft.components.common.storage.transfers.download_cache import cache_entry, is_intact, note_digest
from graft.components.common.storage.transfers.remote import ChangedError, Description, Remote, find_remote
from graft.components.common.storage.troubles.access import access
from graft.components.common.storage.troubles.retries import TruncatedError, is_transient, persist
from graft.components.common.storage.uris import Reach, brief, redact

log = logging.getLogger("graft")

_FRESH_STARTS = 3
_NAME_BYTES = 128
_PAUSE_SECONDS = 0.5
MAX_UNTOLD = 16 * 2**30
"""How many bytes are taken of a file whose length its server doesn't tell."""


def fetch(uri: str, folder: Path, sha256: str = "", *, keep: bool = True, reach: Reach = Reach.NAMED) -> Path:
    """Makes a file readable at a local path: a local one where it is, a remote one by download.

    A download is kept in the user's cache (`$XDG_CACHE_HOME`, else `~/.cache`) and comes from there as long as the server
    tells that the file is the same. One that broke off goes on where it was.

    Args:
        uri: The file's path or URI.
        folder: Where a download goes that isn't kept, or can't be: there is no cache, or its server tells no version.
        sha256: The SHA-256 that the file must have, as hex digits; empty for any.
        keep: Whether the cache keeps a download.
        reach: Which addresses may be asked for it, if it is on a web server.

    Returns:
        The file, to be read only.

    Raises:
        GraftError: The file is missing, isn't the one that `sha256` names, or the transfer failed for good.
    """
    if file := locate(uri).local:
        with access(uri):
            file.stat()
            if sha256:  # whatever lies there: what is not read isn't the file that was meant
                _check_sha256(sha256_file(file), sha256, uri)
        return file
    with access(uri):
        remote, trouble = find_remote(uri, reach), ""
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
        target = entry / (Path(redact(uri)).name.encode()[-_NAME_BYTES:].decode(errors="ignore") or "download")
        cached = entry != folder
        if cached and target.is_file() and found.size in (None, target.stat().st_size) and is_intact(target, sha256):
            log.info("%s is in the cache, at %s", redact(uri), target)
            return target
        # In the cache a part is gone on with by the next run; elsewhere others may be downloading into the same folder.
        part = target.with_name(f"{target.name}.part" if cached else f"{target.name}.{uuid4().hex[:8]}.part")
        try:
            _check_room(uri, found, part)
            digests = Digests(part, ["sha256", *found.checksums])
            _receive(redact(uri), remote, found, part, digests)
            _check_whole(remote, found, part, digests)
            _check_sha256(digests["sha256"].hex(), sha256, uri)
        except Exception as error:
            if not cached or isinstance(error, ChangedError | GraftError):
                part.unlink(missing_ok=True)  # else it is gone on with the next time
            if isinstance(error, OSError) and error.errno == errno.ENOSPC:
                raise _no_room(uri, part) from error
            raise
        put_in_place(part, target)
        if cached:
            note_digest(target, digests["sha256"].hex())
        return target


def _check_room(uri: str, found: Description, part: Path) -> None:
    """Refuses a file whose announced length doesn't fit on the disk, before the disk is full.

    Raises:
        GraftError: It doesn't.
    """
    there = part.stat().st_size if part.exists() else 0
    if found.size is not None and found.size - there > shutil.disk_usage(part.parent).free:
        raise _no_room(uri, part)


def _no_room(uri: str, part: Path) -> GraftError:
    return GraftError(
        f"{redact(uri)} doesn't fit on the disk of {part.parent}: make room there, or set XDG_CACHE_HOME."
    )


def _check_sha256(found: str, wanted: str, uri: str) -> None:
    if wanted and found != wanted.lower():
        raise GraftError(
            f"{redact(uri)} has the SHA-256 {found}, not {wanted.lower()}: it is another file, or a damaged one; "
            "get the right one, or correct the sum."
        )


def _receive(name: str, remote: Remote, found: Description, part: Path, digests: Digests) -> None:
    """Receives a file, all but what is there of the same version. Trouble ends it only if for a minute no further byte comes.

    Its digests are taken as it comes, so that it need not be read for them.

    Raises:
        ChangedError: The file isn't the described one any more.
        GraftError: It is longer than a file of an untold length may be.
        Exception: What its client raised last.
    """
    most = MAX_UNTOLD if found.size is None else found.size
    with _progress(name, found.size) as advance, part.open("ab") as file:
        longest = file.tell() if found.version else 0

        def receive_some() -> bool:
            nonlocal longest
            start = file.tell() if found.version else 0
            if start and start == found.size:
                digests.go_on_at(start)
                return True
            try:
                with remote.read(found, start) as (position, pieces):
                    file.truncate(position)
                    file.seek(position)
                    digests.go_on_at(position)
                    for piece in pieces:
                        if position + len(piece) > most:
                            raise _too_long(name, found)
                        file.write(piece)
                        digests.update(piece)
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


def _too_long(name: str, found: Description) -> Exception:
    if found.size is not None:
        return ChangedError("arrived at another length than announced")
    return GraftError(
        f"{name} has more than {MAX_UNTOLD >> 30} GiB, and its server doesn't tell how many: download it yourself, or put it into a bucket."
    )


def _check_whole(remote: Remote, found: Description, part: Path, digests: Digests) -> None:
    """Checks that a download is the described file, and of one version.

    Raises:
        ChangedError: It isn't.
    """
    if found.size is not None and part.stat().st_size != found.size:
        raise ChangedError("arrived at another length than announced")
    if found.version and persist(remote.describe).version != found.version:
        raise ChangedError("changed")
    if any(digests[algorithm] != checksum for algorithm, checksum in found.checksums.items()):
        raise ChangedError("arrived damaged")


def _progress(name: str, size: int | None) -> AbstractContextManager[Callable[[int], None]]:
    if not size:
        return nullcontext(lambda units: None)
    return progress(f"downloading {name.rpartition('/')[2]}", size // 2**20, "MiB")
