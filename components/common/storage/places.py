"""Where a path or URI leads: a local path, or a file system of fsspec and a path in it. Nobody outside of storage sees either."""

import dataclasses
import logging
from pathlib import Path
from typing import Any

import fsspec
from fsspec.implementations.local import LocalFileSystem, make_path_posix

from graft.components.common.errors import GraftError
from graft.components.common.extras import how_to_install
from graft.components.common.storage.gcs import is_gcs
from graft.components.common.storage.troubles.credentials import trouble_with_credentials
from graft.components.common.storage.troubles.retries import CONTENT_SECONDS, REQUEST_SECONDS, persist, request, s3_code
from graft.components.common.storage.uris import Reach, brief, check_user, is_web, redact, split_bucket

for _scheme in ("http", "https"):  # in chains of URIs too
    fsspec.register_implementation(_scheme, "graft.components.common.storage.web.file_system.WebFiles", clobber=True)

# S3's answers to a HEAD request have no body, which would name the reason: here the client names the status instead.
_NO_REASON = ("400", "403")


@dataclasses.dataclass(frozen=True)
class Place:
    """Where a path or URI leads.

    Attributes:
        local: The absolute path of a local file or folder; None for one elsewhere.
        fs: The fsspec file system of one that is elsewhere.
        path: Its path in that file system.
    """

    local: Path | None
    fs: Any = None
    path: str = ""

    def info(self) -> dict[str, Any]:
        """Returns what the file system tells of the file as it is now, whatever was listed before."""
        return persist(self.look)

    def look(self) -> dict[str, Any]:
        """Returns what `info` does, or raises what it would, after one attempt."""
        self.fs.invalidate_cache(self.path)
        try:
            found: dict[str, Any] = request(self.fs, "info", self.path)
        except OSError as error:
            if s3_code(error) in _NO_REASON:
                self._check_credentials()
            raise
        return found

    def _check_credentials(self) -> None:
        """Asks S3 for what it answers with a reason, and raises that if it is the credentials."""
        try:
            request(self.fs, "call_s3", "list_objects_v2", Bucket=self.path.partition("/")[0], MaxKeys=1)
        except OSError as error:
            if trouble_with_credentials(error):
                raise


def local_path(uri: str) -> Path | None:
    """Returns the absolute path of a local file or folder; None for one that is elsewhere.

    Raises:
        GraftError: The URI's scheme is unknown, or its client is not installed.
    """
    return locate(uri).local


def locate(uri: str, reach: Reach = Reach.NAMED) -> Place:
    """Finds out where a path or URI leads.

    Args:
        uri: The path or URI.
        reach: Which addresses may be asked, if it is on a web server.

    Raises:
        GraftError: The URI's scheme is unknown, its client is not installed, or it holds a user name.
    """
    if not uri:
        raise GraftError("An empty path was given: name a path or a URI.")
    if "://" not in uri:  # fsspec would take a path with "::" in it for a chain of URIs
        return Place(Path(make_path_posix(uri)))
    check_user(uri)
    # gcsfs logs whatever it raises, traceback and all, also what is tried again; the others every file that is opened, and where
    # credentials come from.
    logging.getLogger("gcsfs").setLevel(logging.CRITICAL)
    for name in ("fsspec.caching", "botocore", "aiobotocore"):
        logging.getLogger(name).setLevel(logging.WARNING)
    # In an object's name fsspec would take "::" for a chain and "#1" for a version: it sees the bucket alone.
    head, name = split_bucket(uri)
    try:
        fs, path = fsspec.core.url_to_fs(head, **_options(uri, reach))
    except (ImportError, ValueError) as error:
        remedy = "use a path, gs://, https:// or s3://"
        if isinstance(error, ImportError) and uri.startswith("s3://"):
            remedy = how_to_install("s3fs")
        raise GraftError(f"{redact(uri)} can't be opened ({brief(error)}): {remedy}.") from error
    if isinstance(fs, LocalFileSystem):
        return Place(Path(path))
    return Place(None, fs, f"{path}/{name}".rstrip("/") if name else path)


def _options(uri: str, reach: Reach) -> dict[str, Any]:
    """Returns what the file system of a URI is told."""
    if is_web(uri):
        return {"reach": reach}
    if is_gcs(uri):
        # gcsfs by itself waits for a connection that has died as long as the content may take; s3fs has such a time.
        from aiohttp import ClientTimeout

        return {"requests_timeout": ClientTimeout(total=CONTENT_SECONDS, sock_read=REQUEST_SECONDS)}
    return {}
