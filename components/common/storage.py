"""Reading and writing at a path or URI, local or remote, by fsspec."""

from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import fsspec
from fsspec.implementations.local import LocalFileSystem

from graft.components.common.errors import GraftError


def redact(uri: str) -> str:
    """Returns a URI without its user-info and query string, which may hold secrets; plain paths stay as they are."""
    if "://" not in uri:
        return uri
    parts = urlsplit(uri)
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))


def filesystem(uri: str) -> tuple[Any, str]:
    """Finds the file system that a path or URI belongs to.

    Returns:
        The fsspec file system and the path within it.

    Raises:
        GraftError: The URI's scheme is unknown, or its client is not installed.
    """
    if not uri:
        raise GraftError("An empty path was given: name a path or a URI.")
    try:
        return fsspec.core.url_to_fs(uri)  # type: ignore[no-any-return]
    except (ImportError, ValueError) as error:
        raise GraftError(f"{redact(uri)} can't be opened: {error}.") from error


def info(uri: str) -> dict[str, Any]:
    """Returns what the file system tells of a file or folder without reading it.

    Raises:
        GraftError: Nothing is there, or it can't be read.
    """
    fs, path = filesystem(uri)
    try:
        found: dict[str, Any] = fs.info(path)
    except FileNotFoundError as error:
        raise GraftError(f"{redact(uri)} doesn't exist: check the path or URI.") from error
    except PermissionError as error:
        raise GraftError(f"{redact(uri)} can't be read: grant this account the right to read it.") from error
    except Exception as error:  # Each backend raises its own kind; whichever it is, the user needs to know what was asked.
        raise GraftError(f"{redact(uri)} can't be reached: {_brief(error)}.") from error
    return found


def is_local(uri: str) -> bool:
    """Tells whether a path or URI names something on this machine's disks."""
    return isinstance(filesystem(uri)[0], LocalFileSystem)


def fetch(uri: str, folder: Path) -> Path:
    """Makes a file readable at a local path: a local one where it is, a remote one by download.

    Args:
        uri: The file's path or URI.
        folder: Where a download goes.

    Raises:
        GraftError: The file is missing or the transfer failed.
    """
    size = info(uri).get("size")
    fs, path = filesystem(uri)
    if isinstance(fs, LocalFileSystem):
        return Path(path)
    target = folder / (Path(path).name or "download")
    try:
        fs.get_file(path, str(target))
    except Exception as error:
        raise GraftError(f"{redact(uri)} could not be downloaded: {_brief(error)}.") from error
    if size is not None and target.stat().st_size != size:
        raise GraftError(f"{redact(uri)} arrived with {target.stat().st_size} of {size} bytes: try again.")
    return target


def _brief(error: BaseException) -> str:
    """Names an error by its class and first line, without URIs' query strings, which may hold secrets."""
    lines = str(error).splitlines()
    words = [redact(word) for word in lines[0].split()] if lines else []
    return " ".join([type(error).__name__, *words]).rstrip(".")
