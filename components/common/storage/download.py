"""Receiving one version of a remote file, on and on through the troubles of networks, and checking that it is whole."""

import hashlib
import logging
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

import google_crc32c

from graft.components.common.progress import progress
from graft.components.common.storage.remote import ChangedError, Description, Remote
from graft.components.common.storage.retries import TruncatedError, is_transient, persist
from graft.components.common.storage.uris import brief

log = logging.getLogger("graft")

_PAUSE_SECONDS = 0.5
_BLOCK = 2**20


def receive(name: str, remote: Remote, found: Description, part: Path) -> None:
    """Receives a file. Trouble ends it only if for a minute no further byte comes.

    Args:
        name: The file's URI, for messages.
        remote: The file.
        found: The version of it that is wanted.
        part: Where it goes; what is there of the same version stays.

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


def check_whole(remote: Remote, found: Description, part: Path) -> None:
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
    digest: bytes = checksum.digest()
    return digest


def _progress(name: str, size: int | None) -> AbstractContextManager[Callable[[int], None]]:
    if not size:
        return nullcontext(lambda units: None)
    return progress(f"downloading {name.rpartition('/')[2]}, MiB", size // 2**20)
