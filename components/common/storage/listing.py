"""Listing folders, as they are now, whatever was listed before."""

import contextlib
import functools
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from stat import S_ISREG
from typing import Any

from graft.components.common.storage.entries import Entry, content_version, local_entry, remote_entry
from graft.components.common.storage.places import Place, locate
from graft.components.common.storage.troubles.access import FileError, access
from graft.components.common.storage.troubles.retries import persist, request
from graft.components.common.storage.walking import walk

# So many objects come with a page, on GCS and S3.
PAGE = 1000
_GCS_FIELDS = "items(name,size,md5Hash,crc32c,generation,updated),nextPageToken"

_Page = tuple[list[dict[str, Any]], str]


def holds_files(uri: str) -> bool:
    """Whether a GCS or S3 bucket has objects below a path, which itself may be the name of an object as well; else False.

    Raises:
        GraftError: They can't be listed.
    """
    place = locate(uri)
    if (fetch := _fetcher(place)) is None:
        return False
    bucket, _, folder = place.path.rstrip("/").partition("/")
    with access(uri):
        return bool(persist(lambda: fetch(place.fs, bucket, f"{folder}/", "", delimiter="", most=1))[0])


def list_files(uri: str, is_left_out: Callable[[Path], bool] = lambda _: False, *, marks: bool = False) -> list[Entry]:
    """Lists all files below a folder, locally those that links lead to as well.

    Args:
        uri: The folder.
        is_left_out: Tells of a local folder below it that it is not to be looked into.
        marks: Whether to list also the empty objects that stand for folders in a bucket; their paths end in a slash.

    Returns:
        An entry a file; none if there is no such folder.

    Raises:
        GraftError: The folder can't be read.
    """
    place = locate(uri)
    if place.local:
        return list(_list_local(uri, place.local, is_left_out))
    if fetch := _fetcher(place):  # by pages: fsspec would keep 1 KiB an object till it has them all
        prefix, pages = _pages(uri, place, fetch, delimiter="")
        told_of = (entry for page in pages for entry in page)
        entries = (remote_entry(uri, told["name"].removeprefix(prefix), told) for told in told_of)
        return [entry for entry in entries if entry.path and (marks or not entry.path.endswith("/"))]
    place.fs.invalidate_cache()
    with access(uri):
        found = persist(lambda: _find(place))
    place.fs.invalidate_cache()  # what fsspec keeps of a hundred thousand files is of some size
    root = len(place.path.rstrip("/"))
    return [
        remote_entry(uri, path, told)
        for name, told in found.items()
        if told["type"] != "directory" and (path := name[root:].removeprefix("/")) and (marks or not path.endswith("/"))
    ]


def _find(place: Place) -> dict[str, dict[str, Any]]:
    if getattr(place.fs, "async_impl", False):  # another object store, which lists all at once
        return dict(place.fs.find(place.path, detail=True))
    found, pending = {}, [place.path]
    while pending:  # not `find`, which passes over folders that can't be listed
        folder = pending.pop()
        with contextlib.suppress(FileNotFoundError):
            for told in place.fs.ls(folder, detail=True):
                if told["type"] != "directory":
                    found[told["name"]] = told
                elif told["name"].rstrip("/") != folder.rstrip("/"):
                    pending.append(told["name"])
    return found


def _list_local(uri: str, root: Path, is_left_out: Callable[[Path], bool]) -> Iterator[Entry]:
    with access(uri):
        try:
            root.stat()
        except FileNotFoundError:
            return
    for path, _ in walk(root, is_left_out) if root.is_dir() else ((root, False),):
        with contextlib.suppress(FileError), access(str(path)):  # it is gone already, or a link that leads nowhere
            if S_ISREG((status := path.stat()).st_mode):
                yield local_entry(uri, path.relative_to(root).as_posix() if path != root else "", status)


def list_pages(uri: str) -> Iterator[dict[str, str]]:
    """Lists the objects right in a folder of a GCS or S3 bucket page by page: fsspec lists it as a whole, be it of ten million.

    Yields:
        The versions of the objects, by their names in the folder; nothing where there is no bucket.

    Raises:
        GraftError: The folder can't be listed.
    """
    place = locate(uri)
    if (fetch := _fetcher(place)) is None:
        return
    prefix, pages = _pages(uri, place, fetch, delimiter="/")
    for page in pages:
        yield {entry["name"].removeprefix(prefix): content_version(entry) for entry in page}


def _pages(
    uri: str, place: Place, fetch: Callable[..., _Page], delimiter: str
) -> tuple[str, Iterator[list[dict[str, Any]]]]:
    """Returns what the names of a folder's objects begin with, and the objects page by page."""
    bucket, _, folder = place.path.rstrip("/").partition("/")
    prefix = f"{folder}/" if folder else ""

    def pages() -> Iterator[list[dict[str, Any]]]:
        following, is_first = "", True
        while following or is_first:
            with access(uri):
                told, following = persist(
                    functools.partial(fetch, place.fs, bucket, prefix, following, delimiter=delimiter)
                )
            is_first = False
            yield told

    return prefix, pages()


def _gcs(fs: Any, bucket: str, prefix: str, following: str, delimiter: str = "/", most: int = PAGE) -> _Page:
    options: dict[str, Any] = {"prefix": prefix, "delimiter": delimiter, "maxResults": most, "fields": _GCS_FIELDS}
    options |= {"pageToken": following} if following else {}
    found = request(fs, "call", "GET", "b/{}/o", bucket, json_out=True, **options)
    entries = [
        {**item, "type": "file", "mtime": datetime.fromisoformat(item["updated"])} for item in found.get("items", [])
    ]
    return entries, found.get("nextPageToken", "")


def _s3(fs: Any, bucket: str, prefix: str, following: str, delimiter: str = "/", most: int = PAGE) -> _Page:
    options: dict[str, Any] = {"Bucket": bucket, "Prefix": prefix, "Delimiter": delimiter, "MaxKeys": most}
    options |= {"ContinuationToken": following} if following else {}
    found = request(fs, "call_s3", "list_objects_v2", **options)
    entries = [
        {"name": item["Key"], "type": "file", "size": item["Size"], "ETag": item["ETag"], "mtime": item["LastModified"]}
        for item in found.get("Contents", [])
    ]
    return entries, found.get("NextContinuationToken", "")


_FETCH = {"gs": _gcs, "s3": _s3}


def _fetcher(place: Place) -> Callable[..., _Page] | None:
    """Returns what fetches a page of a bucket's objects; None for what lies in no bucket."""
    return None if place.local else next((_FETCH[name] for name in _FETCH if name in place.fs.protocol), None)
