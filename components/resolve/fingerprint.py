"""A source's fingerprint: changes when its content does, at the price of a listing where storage knows checksums."""

import dataclasses
import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from graft.components.common import storage
from graft.components.common.artifacts.lists.source_listing import SourceListing
from graft.components.common.compute.machine import cores
from graft.components.common.errors import GraftError
from graft.components.ingest.source.file_names import may_be_image
from graft.components.ingest.source.folders import RemoteFolder
from graft.components.ingest.source.image_files import ImageFiles, UnreadableFileError
from graft.components.ingest.source.left_out import LeftOut
from graft.components.ingest.source.manifests.manifest import is_manifest, open_manifest

_REQUESTS, _BATCH = 16, 1024

Item = TypeVar("Item")


def fingerprint(source: str, written: Iterable[str] = (), reach: storage.Reach = storage.Reach.NAMED) -> str:
    """Returns the digest of a source, as `look_at` does."""
    return look_at(source, written, reach)[0]


def look_at(
    source: str, written: Iterable[str] = (), reach: storage.Reach = storage.Reach.NAMED
) -> tuple[str, SourceListing | None]:
    """Returns the digest of a source: of names, sizes and checksums, or of contents where there are no checksums.

    What ingest leaves out of a folder, whatever it holds, doesn't count: what Graft itself wrote there, what systems keep for themselves,
    and files that are no images by their names, or lie in no folder.

    Args:
        source: Path or URI of a file or folder.
        written: Paths and URIs of what the run writes, such as its store.
        reach: Which addresses may be asked for it, if it is on a web server.

    Returns:
        The digest, and what was told of remote files, by which ingest need not ask again. None for a local folder, which is quickly listed,
        and for an archive.

    Raises:
        GraftError: It is missing or can't be read.
    """
    if is_manifest(source):
        return _look_at_manifest(source, reach)
    if not storage.is_folder(source):
        return _digest([json.dumps([*_named(source, reach)])]), None
    if storage.local_path(source) is None:
        return _look_at_remote(source, LeftOut(written))
    entries = _listed(source, LeftOut(written))
    _check_any(source, entries)
    versions = _each(_member_version, entries, cores())
    return _digest(json.dumps([entry.path, version]) for entry, version in zip(entries, versions, strict=True)), None


def _named(source: str, reach: storage.Reach) -> tuple[str, str]:
    """Returns the path within itself of a single file, which is none, and its version."""
    entry = storage.stat(source, reach)
    return entry.path, _version(entry, reach)


def _check_any(source: str, images: Sequence[object]) -> None:
    if not images:
        raise GraftError(f"{storage.redact(source)} has no images in class folders: name a folder or archive of such.")


def _listed(folder: str, left_out: LeftOut) -> list[storage.Entry]:
    return [entry for entry in storage.list(folder, left_out) if _counts(entry.path)]


def _counts(path: str) -> bool:
    return "/" in path and may_be_image(path)


def _look_at_remote(source: str, left_out: LeftOut) -> tuple[str, SourceListing]:
    folder = RemoteFolder(source, left_out)
    paths = [path for path in folder.paths() if _counts(path) and not path.endswith("/")]
    _check_any(source, paths)
    versions = _each(lambda path: folder.version(path) or _content_version(folder, path), paths, cores())
    lines = [json.dumps([path, version]) for path, version in zip(paths, versions, strict=True)]
    return _digest(lines), folder.listing


def _look_at_manifest(manifest: str, reach: storage.Reach) -> tuple[str, SourceListing]:
    """Returns the digest of a manifest and of the versions of the images that it names, and what was told of the remote ones."""
    images, layout = open_manifest(manifest, reach=reach)
    told = list(_each(images.version, images.paths(), _REQUESTS))
    known = list(zip(images.paths(), told, strict=True))
    versions = _each(lambda one: one[1] or _content_version(images, one[0]), known, _REQUESTS)
    lines = [
        json.dumps([*dataclasses.astuple(image), version])
        for image, version in zip(layout.images, versions, strict=True)
    ]
    listing = SourceListing.of((path, None, version) for path, version in known if images.is_remote(path))
    return _digest(lines, layout.columns), listing


def _each(work: Callable[[Item], str], items: Sequence[Item], at_once: int) -> Iterator[str]:
    """Yields what comes of each item, in order; all at once they would take 2 KiB each in the pool."""
    with ThreadPoolExecutor(at_once) as threads:
        for start in range(0, len(items), _BATCH):
            yield from threads.map(work, items[start : start + _BATCH])


def _digest(lines: Iterable[str], before: Sequence[str] = ()) -> str:
    return hashlib.sha256("\n".join([*before, *sorted(lines)]).encode()).hexdigest()


def _content_version(files: ImageFiles, path: str) -> str:
    """Returns the digest of an image of which its server tells nothing that changes when it does; nothing if it can't be read."""
    try:
        return hashlib.sha256(files.read(path)).hexdigest()
    except UnreadableFileError:
        return ""


def _member_version(entry: storage.Entry) -> str:
    """Returns what changes with the content of a file in a folder; nothing if it can't be read, as ingest leaves it out."""
    try:
        return _version(entry)
    except storage.FileError:
        return ""


def _version(entry: storage.Entry, reach: storage.Reach = storage.Reach.NAMED) -> str:
    """Returns what changes with a file's content: its digest, where its storage tells nothing such."""
    if entry.version:
        return entry.version
    with storage.access(entry.uri), storage.open(entry.uri, reach=reach) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
