"""What a storage tells of a file without sending it."""

import base64
import dataclasses
import hashlib
import os
from collections.abc import Mapping
from datetime import datetime
from stat import S_ISDIR
from typing import Any

import google_crc32c

from graft.components.common.errors import GraftError
from graft.components.common.storage.uris import join, redact

# What gcsfs, s3fs and fsspec's web client call them. Checksums come before versions: the same content uploaded again is the same.
_VERSION_FIELDS = ("md5Hash", "crc32c", "generation", "ETag", "etag")


@dataclasses.dataclass(frozen=True, slots=True)
class Entry:
    """A file or folder, as a storage tells of it.

    Attributes:
        folder: Path or URI of what was asked for or listed.
        path: The path therein; empty for what was asked for itself.
        size: Its length in bytes; None if that isn't told.
        version: What changes whenever its content does, and only then if it is a checksum; empty if nothing such is told, as locally.
        is_folder: Whether it is a folder.
        written: When it was written, in seconds since 1970; None if that isn't told.
    """

    folder: str
    path: str
    size: int | None
    version: str
    is_folder: bool
    written: float | None

    @property
    def uri(self) -> str:
        """Its path or URI."""
        return join(self.folder, self.path) if self.path else self.folder

    @property
    def name(self) -> str:
        """Its name, without the folders that it is in."""
        return self.uri.rpartition("/")[2]

    @property
    def written_at(self) -> float:
        """When it was written, in seconds since 1970.

        Raises:
            GraftError: Its storage doesn't tell.
        """
        if self.written is None:
            raise GraftError(f"Nothing tells when {redact(self.uri)} was written: use a local folder, gs:// or s3://.")
        return self.written


def local_entry(folder: str, path: str, status: os.stat_result) -> Entry:
    """Returns what a local file system tells."""
    return Entry(folder, path, status.st_size, "", S_ISDIR(status.st_mode), status.st_mtime)


def remote_entry(folder: str, path: str, told: Mapping[str, Any]) -> Entry:
    """Returns what a file system of fsspec tells, in one form: each calls it otherwise.

    Args:
        folder: Path or URI of what was asked for or listed.
        path: The path therein; empty for what was asked for itself.
        told: What the file system tells of it, as its `info` does.
    """
    when = told.get("LastModified") or told.get("mtime") or told.get("created")
    written = when.timestamp() if isinstance(when, datetime) else None if when is None else float(when)
    size = told.get("size")
    return Entry(
        folder, path, None if size is None else int(size), content_version(told), told["type"] == "directory", written
    )


def content_version(told: Mapping[str, Any]) -> str:
    """Returns what changes whenever a file's content does, out of what its storage tells of it; empty if nothing such is told.

    This is the only rule: `resolve` and `ingest` go by it, and downloads.
    """
    for field in _VERSION_FIELDS:
        if value := strong_tag(str(told.get(field) or "")):
            return f"{told.get('size')}-{value}"
    return ""


def versions_of(content: bytes) -> set[str]:
    """Returns the versions that storages tell of a file with this content, where they go by a checksum of it."""
    md5, crc32c = hashlib.md5(content, usedforsecurity=False), google_crc32c.value(content).to_bytes(4, "big")
    sums = (base64.b64encode(md5.digest()).decode(), base64.b64encode(crc32c).decode(), md5.hexdigest())
    return {f"{len(content)}-{checksum}" for checksum in sums}


def strong_tag(tag: str) -> str:
    """Returns an entity tag without its quotes; empty for a weak one, which promises the same meaning, not the same bytes."""
    return "" if tag.startswith("W/") else tag.strip('"')
