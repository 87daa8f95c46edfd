"""A source's fingerprint: changes when its content does, at the price of a listing where storage knows checksums."""

import dataclasses
import hashlib
import json
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from graft.components.common import storage
from graft.components.common.compute.machine import cores
from graft.components.common.errors import GraftError
from graft.components.ingest.source.file_names import may_be_image
from graft.components.ingest.source.image_files import UnreadableFileError
from graft.components.ingest.source.left_out import LeftOut
from graft.components.ingest.source.manifests.manifest import is_manifest, open_manifest
from graft.components.ingest.source.manifests.manifest_images import ManifestImages

_REQUESTS = 16


def fingerprint(source: str, written: Iterable[str] = (), reach: storage.Reach = storage.Reach.NAMED) -> str:
    """Returns the digest of a source: of names, sizes and checksums, or of contents where there are no checksums.

    What ingest leaves out of a folder, whatever it holds, doesn't count: what Graft itself wrote there, what systems keep for themselves,
    and files that are no images by their names, or lie in no folder.

    Args:
        source: Path or URI of a file or folder.
        written: Paths and URIs of what the run writes, such as its store.
        reach: Which addresses may be asked for it, if it is on a web server.

    Raises:
        GraftError: It is missing or can't be read.
    """
    if is_manifest(source):
        return _manifest_fingerprint(source, reach)
    in_folder = storage.is_folder(source)
    entries = _listed(source, LeftOut(written)) if in_folder else [storage.stat(source, reach)]
    if not entries:
        raise GraftError(f"{storage.redact(source)} has no images in class folders: name a folder or archive of such.")
    with ThreadPoolExecutor(cores()) as threads:
        versions = list(threads.map(_member_version if in_folder else partial(_version, reach=reach), entries))
    lines = sorted(json.dumps([entry.path, version]) for entry, version in zip(entries, versions, strict=True))
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def _listed(folder: str, left_out: LeftOut) -> list[storage.Entry]:
    own = tuple(left_out.within(folder))
    return [
        entry
        for entry in storage.list(folder, left_out)
        if "/" in entry.path and not entry.path.startswith(own) and may_be_image(entry.path)
    ]


def _manifest_fingerprint(manifest: str, reach: storage.Reach) -> str:
    """Returns the digest of a manifest and of the versions of the images that it names."""
    images, layout = open_manifest(manifest, reach=reach)
    named = [dataclasses.astuple(image) for image in layout.images]
    with ThreadPoolExecutor(_REQUESTS) as threads:
        versions = threads.map(lambda path: _image_version(images, path), images.paths())
        lines = sorted(json.dumps([*image, version]) for image, version in zip(named, versions, strict=True))
    return hashlib.sha256("\n".join([*layout.columns, *lines]).encode()).hexdigest()


def _image_version(images: ManifestImages, path: str) -> str:
    """Returns what changes when an image does: its digest, where its server tells nothing; nothing if it can't be read."""
    if version := images.version(path):
        return version
    try:
        return hashlib.sha256(images.read(path)).hexdigest()
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
