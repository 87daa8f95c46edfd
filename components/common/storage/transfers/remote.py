"""Remote files as a download sees them: what is known of them, and their bytes from any position on."""

import base64
import contextlib
import re
from collections.abc import Iterator
from contextlib import AbstractContextManager
from http import HTTPStatus
from typing import Any, NamedTuple, Protocol

from graft.components.common.errors import GraftError
from graft.components.common.storage.entries import content_version, strong_tag
from graft.components.common.storage.places import Place, locate
from graft.components.common.storage.transfers.ranges import read_range
from graft.components.common.storage.uris import Reach, is_web, redact

_PIECE = 256 * 2**10
# Small enough that a slow line brings one within the seconds that a request may take.
_RANGE = 4 * 2**20
_MD5 = re.compile(r"[0-9a-f]{32}")


class ChangedError(Exception):
    """The file is no longer the one that was described; its text says what was seen."""


class Description(NamedTuple):
    """What a server tells of a file without sending it.

    Attributes:
        size: Its length in bytes, if told.
        version: What changes whenever its content does; empty if nothing such is told.
        checksums: Digests of its content by algorithm, `md5` or `crc32c`.
    """

    size: int | None
    version: str
    checksums: dict[str, bytes]


class Remote(Protocol):
    """A file elsewhere. Its methods make one attempt each, and raise what their client raises."""

    def describe(self) -> Description:
        """Returns what the server tells of the file as it is now."""

    def read(self, found: Description, start: int) -> AbstractContextManager[tuple[int, Iterator[bytes]]]:
        """Opens the file for reading.

        Args:
            found: The description of the file that is wanted.
            start: The position to read from.

        Returns:
            A context manager of the position that the bytes are really from, and the bytes to the end in pieces.

        Raises:
            ChangedError: The file isn't the described one any more.
        """


def find_remote(uri: str, reach: Reach) -> Remote:
    """Finds the way to a file by its URI's scheme."""
    return _Web(uri, reach) if is_web(uri) else _Object(locate(uri))


class _Web:
    """A file on a web server."""

    def __init__(self, url: str, reach: Reach) -> None:
        from graft.components.common.storage.web import (
            client,
        )  # requests: a tenth of a second that not every command needs

        self._url, self._reach, self._client = url, reach, client

    def describe(self) -> Description:
        told = self._client.describe(self._url, self._reach)
        return Description(told.size, strong_tag(told.tag), {})

    @contextlib.contextmanager
    def read(self, found: Description, start: int) -> Iterator[tuple[int, Iterator[bytes]]]:
        ranged = {"Range": f"bytes={start}-", "If-Range": f'"{found.version}"'} if start else {}
        with self._client.ask(self._url, self._reach, ranged) as response:
            if response.status_code == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
                raise ChangedError("became shorter")
            told = self._client.told(response)
            if found.version and strong_tag(told.tag) not in ("", found.version):
                raise ChangedError("changed")
            if told.ranges and not response.headers.get("Content-Range", "").startswith(f"bytes {start}-"):
                raise ChangedError("came in other parts than were asked for")
            if not told.ranges and told.size != found.size:
                raise ChangedError("changed its length")
            # As it was sent: what a server calls an encoding may be the file's own compression.
            yield start if told.ranges else 0, self._client.pieces(response)


class _Object:
    """A file in object storage or wherever else fsspec reads, in ranges."""

    def __init__(self, place: Place) -> None:
        self._place, self._fs, self._path = place, place.fs, place.path

    def describe(self) -> Description:
        entry = self._place.look()
        if entry["type"] == "directory":
            raise GraftError(f"{redact(self._path)} is a folder: name a file.")
        if entry.get("contentEncoding") == "gzip":  # GCS would unpack it on its way, to another length
            raise GraftError(
                f"{redact(self._path)} is stored with the content encoding gzip: upload it again without (no -z or -Z)."
            )
        return Description(entry.get("size"), content_version(entry), self._checksums(entry))

    def _checksums(self, entry: dict[str, Any]) -> dict[str, bytes]:
        known = {
            "md5": entry.get("md5Hash"),
            "crc32c": entry.get("crc32c"),
        }  # GCS; a composite object has the second alone
        found = {algorithm: base64.b64decode(digest) for algorithm, digest in known.items() if digest}
        tag = str(entry.get("ETag") or "").strip('"')
        if not found and _MD5.fullmatch(tag) and self._tag_is_md5():
            found["md5"] = bytes.fromhex(tag)
        return found

    def _tag_is_md5(self) -> bool:
        """Whether an object's S3 entity tag, which looks like an MD5, is one: those of objects encrypted by a key are not."""
        if "s3" not in self._fs.protocol:
            return False
        bucket, key, _ = self._fs.split_path(self._path)
        head = self._fs.call_s3("head_object", Bucket=bucket, Key=key)
        return head.get("ServerSideEncryption", "AES256") == "AES256" and "SSECustomerAlgorithm" not in head

    @contextlib.contextmanager
    def read(self, found: Description, start: int) -> Iterator[tuple[int, Iterator[bytes]]]:
        if found.size is None:
            with self._fs.open(self._path, "rb") as file:
                yield 0, iter(lambda: file.read(_PIECE), b"")
        else:
            ends = [(begin, min(begin + _RANGE, found.size)) for begin in range(start, found.size, _RANGE)]
            yield start, (read_range(self._place, begin, end) for begin, end in ends)
