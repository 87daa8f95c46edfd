"""Compare-and-swap of a small file: it is replaced only if nobody else has replaced it since it was read."""

import dataclasses
import fcntl
from pathlib import Path

from graft.components.common.errors import GraftError
from graft.components.common.storage.gcs import gcs_blob, is_gcs
from graft.components.common.storage.local import make_folder, remove_leftovers, replacing
from graft.components.common.storage.places import Place, locate
from graft.components.common.storage.troubles import retries
from graft.components.common.storage.troubles.access import access
from graft.components.common.storage.troubles.retries import persist
from graft.components.common.storage.uris import redact

_LOST = (409, 412)  # S3 says 409 where two conditional writes meet


@dataclasses.dataclass(frozen=True)
class Seen:
    """A file as it was when it was read.

    Attributes:
        content: Its bytes; None if there is none.
        version: What its storage tells it apart by: a generation, an ETag; None if there is none.
    """

    content: bytes | None
    version: str | None = None


def look(uri: str) -> Seen:
    """Reads a file for a swap.

    Args:
        uri: Its path or URI: local, gs:// or s3://.

    Raises:
        GraftError: It can't be read, or its storage knows no conditional writes.
    """
    with access(uri):
        return persist(lambda: _storage(uri).look())


def swap(uri: str, seen: Seen, content: bytes) -> bool:
    """Replaces a file, or makes it, if it still is as it was seen.

    Args:
        uri: Its path or URI: local, gs:// or s3://.
        seen: What `look` returned.
        content: What it is to hold: no two swaps may ever write the same bytes.

    Returns:
        Whether it was replaced; if not, somebody else was faster.

    Raises:
        GraftError: It can't be written, or its storage knows no conditional writes.
    """
    with access(uri, "write"):
        file = _storage(uri)
        # After a lost answer, the second attempt fails because the first one succeeded.
        return persist(lambda: file.swap(seen, content) or file.look().content == content)


def _storage(uri: str) -> "_Local | _Gcs | _S3":
    place = locate(uri)
    if place.local:
        return _Local(place.local)
    if is_gcs(uri):
        return _Gcs(place.path)
    if uri.startswith(("s3://", "s3a://")):
        return _S3(place)
    raise GraftError(f"{redact(uri)} can't be replaced safely: use a local folder, gs:// or s3://.")


class _Local:
    """Under a lock, which a killed process lets go."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def look(self) -> Seen:
        try:
            return Seen(self._path.read_bytes())
        except FileNotFoundError:
            return Seen(None)

    def swap(self, seen: Seen, content: bytes) -> bool:
        make_folder(self._path.parent)
        with self._path.with_name(f".{self._path.name}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if self.look().content != seen.content:
                return False
            remove_leftovers(self._path)
            with replacing(self._path) as file:
                file.write(content)
            return True


class _Gcs:
    """By generation preconditions: https://cloud.google.com/storage/docs/request-preconditions."""

    def __init__(self, path: str) -> None:
        self._path = path

    def look(self) -> Seen:
        from google.api_core.exceptions import NotFound

        with gcs_blob(self._path) as blob:
            try:
                content = blob.download_as_bytes(timeout=retries.REQUEST_SECONDS, retry=None)
            except NotFound:
                return Seen(None)
            return Seen(content, str(blob.generation))  # that of the download

    def swap(self, seen: Seen, content: bytes) -> bool:
        from google.api_core.exceptions import PreconditionFailed

        with gcs_blob(self._path) as blob:
            try:
                blob.upload_from_string(
                    content,
                    content_type="application/json",
                    if_generation_match=int(seen.version or 0),
                    checksum="crc32c",
                    timeout=retries.REQUEST_SECONDS,
                    retry=None,
                )
            except PreconditionFailed:
                return False
            return True


class _S3:
    """By conditional writes: https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes.html."""

    def __init__(self, place: Place) -> None:
        bucket, _, key = place.path.partition("/")
        self._place, self._where = place, {"Bucket": bucket, "Key": key}

    def look(self) -> Seen:
        try:
            self._place.info()  # within a time; opening it asks again for what was told just now
            with self._place.fs.open(self._place.path, "rb") as file:  # of the version of its details, or not at all
                return Seen(file.read(), file.details["ETag"])
        except FileNotFoundError:
            return Seen(None)

    def swap(self, seen: Seen, content: bytes) -> bool:
        condition = {"IfNoneMatch": "*"} if seen.content is None else {"IfMatch": seen.version}
        try:
            self._place.fs.call_s3(
                "put_object", **self._where, **condition, Body=content, timeout=retries.REQUEST_SECONDS
            )
        except OSError as error:
            if retries.http_status(error) in _LOST:
                return False
            raise
        return True
