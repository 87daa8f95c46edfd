"""Reading and writing at a path or URI, local or remote, by fsspec."""

import contextlib
import io
import logging
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any, Literal
from uuid import uuid4

import fsspec
from fsspec.implementations.local import LocalFileSystem

from graft.components.common.errors import GraftError
from graft.components.common.storage.gcs import LARGE, is_gcs, upload_to_gcs
from graft.components.common.storage.retries import is_transient, persist, request
from graft.components.common.storage.uris import brief, redact

__all__ = [
    "absolute",
    "access",
    "content_version",
    "filesystem",
    "info",
    "list_files",
    "list_tree",
    "redact",
    "remove_file",
    "walk",
    "write_file",
    "written_at",
]

# What a missing right is called where it is granted.
_ROLES = {
    ("gs", "read"): "roles/storage.objectViewer on the bucket",
    ("gs", "write"): "roles/storage.objectUser on the bucket",
    ("s3", "read"): "s3:GetObject and s3:ListBucket",
    ("s3", "write"): "s3:PutObject, s3:GetObject, s3:DeleteObject and s3:ListBucket",
}
# Checksums before versions: the same content uploaded again is the same.
_VERSION_FIELDS = ("md5Hash", "generation", "ETag", "etag")


def filesystem(uri: str) -> tuple[Any, str]:
    """Finds the file system that a path or URI belongs to.

    Returns:
        The fsspec file system and the path within it.

    Raises:
        GraftError: The URI's scheme is unknown, or its client is not installed.
    """
    if not uri:
        raise GraftError("An empty path was given: name a path or a URI.")
    if "://" not in uri:  # fsspec would take a path with "::" in it for a chain of URIs
        local = fsspec.filesystem("file")
        return local, local._strip_protocol(uri)
    # It logs whatever it raises, traceback and all, also what is tried again.
    logging.getLogger("gcsfs").setLevel(logging.CRITICAL)
    logging.getLogger("fsspec.caching").setLevel(logging.WARNING)  # it tells of every file that is opened
    try:
        return fsspec.core.url_to_fs(uri)  # type: ignore[no-any-return]
    except (ImportError, ValueError) as error:
        raise GraftError(
            f"{redact(uri)} can't be opened ({brief(error)}): use a path, gs://, https://, or s3:// with the package s3fs."
        ) from error


def absolute(uri: str) -> str:
    """Returns a path or URI in a form that means the same from any working folder, and holds no secrets.

    Args:
        uri: The path or URI.

    Raises:
        GraftError: It is empty.
    """
    if not uri.partition("://")[2 if "://" in uri else 0].strip("/"):
        raise GraftError(f"{uri!r} names no folder: name a path or a URI.")
    return (redact(uri) if "://" in uri else str(Path(uri).absolute())).rstrip("/")


@contextlib.contextmanager
def access(uri: str, right: Literal["read", "write"] = "read") -> Iterator[None]:
    """Turns whatever a file system raises while it works on a path or URI into one sentence.

    Args:
        uri: The path or URI.
        right: The right that the work needs, to be named where it is missing.

    Raises:
        GraftError: Nothing is there, or it can't be read or written.
    """
    try:
        yield
    except GraftError:
        raise
    except Exception as error:  # Each backend raises its own kind.
        if isinstance(error, FileNotFoundError) and not is_transient(error):
            raise GraftError(f"{redact(uri)} doesn't exist: check the path or URI.") from error
        if _is_denied(error):
            scheme = uri.partition("://")[0] if "://" in uri else ""
            remedy = _ROLES.get((scheme, right), f"the right to {right} it")
            raise GraftError(
                f"{redact(uri)} can't be {'read' if right == 'read' else 'written'} by this account: grant it {remedy}."
            ) from error
        remedy = ": try again later" if is_transient(error) else ""
        raise GraftError(f"{redact(uri)} can't be reached: {brief(error)}{remedy}.") from error


def _is_denied(error: Exception) -> bool:
    """Whether an account may not do what it tried: gcsfs says so in its message, aiohttp and others by the HTTP status."""
    status = getattr(error, "code", None) or getattr(error, "status", None)
    return isinstance(error, PermissionError) or str(error).startswith("Forbidden") or status in (401, 403)


def info(uri: str) -> dict[str, Any]:
    """Returns what the file system tells of a file or folder as it is now, without reading it.

    Raises:
        GraftError: Nothing is there, or it can't be read.
    """
    fs, path = filesystem(uri)
    with access(uri):
        fs.invalidate_cache(path)
        found: dict[str, Any] = persist(lambda: request(fs, "info", path))
    return found


def exists(uri: str) -> bool:
    """Whether there is a file.

    Args:
        uri: Its path or URI.

    Raises:
        GraftError: The storage can't be reached or read.
    """
    fs, path = filesystem(uri)
    with access(uri):
        fs.invalidate_cache(path)
        try:
            persist(lambda: request(fs, "info", path))
        except FileNotFoundError as error:
            if is_transient(error):
                raise
            return False
    return True


def content_version(entry: dict[str, Any]) -> str:
    """Returns what changes whenever a file's content does, out of what its file system tells of it; empty for unknown.

    Args:
        entry: As `info` and listings return it.
    """
    for field in _VERSION_FIELDS:
        value = str(entry.get(field) or "")
        if value and not value.startswith("W/"):  # a weak ETag promises the same meaning, not the same bytes
            return f"{entry.get('size')}-{value.strip(chr(34))}"
    return ""


def walk(root: Path) -> Iterator[Path]:
    """Yields everything below a local folder that is not itself a folder, links followed.

    Raises:
        GraftError: A folder can't be listed, or is a link to one that it is in, so that the walk would never end.
    """
    pending: list[tuple[Path, frozenset[tuple[int, int]]]] = [(root, frozenset())]
    while pending:
        folder, above = pending.pop()
        with access(str(folder)):
            status = folder.stat()
            children = [(child, child.is_dir()) for child in folder.iterdir()]
        identity = (status.st_dev, status.st_ino)
        if identity in above:
            raise GraftError(f"{folder} is a link to a folder that it is in: remove the link.")
        for child, is_folder in children:
            if is_folder:
                pending.append((child, above | {identity}))
            else:
                yield child


def list_files(uri: str, suffix: str) -> list[tuple[str, int]]:
    """Lists the files right in a folder, as they are now, whatever was listed before.

    Args:
        uri: The folder's path or URI.
        suffix: How the files' names end.

    Returns:
        Each file's path within its file system, and its size in bytes; none if there is no such folder.

    Raises:
        GraftError: The folder can't be read.
    """
    fs, folder = filesystem(uri)
    with access(uri):
        fs.invalidate_cache(folder)
        try:
            entries = persist(lambda: fs.ls(folder, detail=True))
        except FileNotFoundError:
            return []
    return [(entry["name"], entry["size"]) for entry in entries if entry["name"].endswith(suffix)]


def list_tree(uri: str) -> dict[str, dict[str, Any]]:
    """Lists all files below a folder, as they are now, whatever was listed before.

    Args:
        uri: The folder's path or URI.

    Returns:
        What the file system tells of each, by its path within the file system; nothing if there is no such folder.

    Raises:
        GraftError: The folder can't be read.
    """
    fs, folder = filesystem(uri)
    with access(uri):
        fs.invalidate_cache()
        found: dict[str, dict[str, Any]] = persist(lambda: fs.find(folder, detail=True))
    return found


def written_at(entry: dict[str, Any]) -> float:
    """Returns when a listed file was written, in seconds: local files, gcsfs and s3fs each call it otherwise.

    Args:
        entry: What the file system tells of it.
    """
    when = entry.get("LastModified") or entry.get("mtime") or entry["created"]
    return when.timestamp() if isinstance(when, datetime) else float(when)


def write_file(uri: str, content: bytes) -> None:
    """Writes a file as a whole: no reader ever sees a part of it.

    Args:
        uri: The file's path or URI; folders that it is in are made.
        content: Its bytes.

    Raises:
        GraftError: It can't be written.
    """
    fs, path = filesystem(uri)
    with access(uri, "write"):
        persist(lambda: request(fs, "makedirs", path.rpartition("/")[0], exist_ok=True))
        if not isinstance(fs, LocalFileSystem):
            if is_gcs(uri) and len(content) > LARGE:
                upload_to_gcs(io.BytesIO(content), len(content), path)
                fs.invalidate_cache(path)
            else:
                persist(lambda: fs.pipe_file(path, content))  # an object is there once it is whole
            return
        target = Path(path)
        temporary = target.with_name(f".{target.name}.{uuid4().hex}.part")  # no suffix that a reader looks for
        try:
            temporary.write_bytes(content)
            temporary.replace(target)
        finally:
            temporary.unlink(missing_ok=True)


def remove_file(uri: str, path: str) -> None:
    """Removes a file, unless another process was first.

    Args:
        uri: Path or URI of the folder that it is in.
        path: The file's path within its file system, as `list_files` returns it.

    Raises:
        GraftError: The folder can't be written.
    """
    fs, _ = filesystem(uri)
    with access(uri, "write"), contextlib.suppress(FileNotFoundError):
        persist(lambda: request(fs, "rm_file", path))
