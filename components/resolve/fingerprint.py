"""A source's fingerprint: changes when its content does, at the price of a listing where storage knows checksums."""

import dataclasses
import hashlib
import json
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from fsspec.implementations.local import LocalFileSystem

from graft.components.common import storage
from graft.components.common.artifacts.records import sha256_file
from graft.components.common.errors import GraftError
from graft.components.ingest.source.image_files import UnreadableFileError
from graft.components.ingest.source.manifest import is_manifest, open_manifest
from graft.components.ingest.source.manifest_images import ManifestImages

_REQUESTS = 16

# What the backends of fsspec call the checksum or version of an object's content (gcsfs, s3fs, http); checksums come first, since
# the same content uploaded again has another version.
_VERSION_FIELDS = ("md5Hash", "Content-MD5", "Digest", "crc32c", "ETag", "etag", "generation")


def fingerprint(source: str) -> str:
    """Returns the digest of a source: of names, sizes and checksums, or of contents where there are no checksums.

    Args:
        source: Path or URI of a file or folder.

    Raises:
        GraftError: It is missing or can't be read.
    """
    if is_manifest(source):
        return _manifest_fingerprint(source)
    root = storage.info(source)
    fs, path = storage.filesystem(source)
    if root["type"] != "directory":
        entries = {"": root}
    else:
        prefix = path.rstrip("/")
        if isinstance(fs, LocalFileSystem):
            found = {str(file): {"name": str(file)} for file in storage.walk(Path(path)) if file.is_file()}
        else:
            found = storage.list_tree(source)
        entries = {name[len(prefix) :].lstrip("/"): entry for name, entry in found.items()}
    if not entries:
        raise GraftError(f"{storage.redact(source)} is empty: name a folder or archive of images.")
    with ThreadPoolExecutor(os.cpu_count()) as threads:
        versions = list(threads.map(lambda entry: _version(fs, entry), entries.values()))
    lines = sorted(json.dumps([name, *version]) for name, version in zip(entries, versions, strict=True))
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def _manifest_fingerprint(manifest: str) -> str:
    """Returns the digest of a manifest and of the versions of the images that it names."""
    images, layout = open_manifest(manifest)
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


def _version(fs: Any, entry: dict[str, Any]) -> tuple[str, ...]:
    known = next((str(entry[field]) for field in _VERSION_FIELDS if entry.get(field)), "")
    if known:
        return (str(entry.get("size")), known)
    with storage.access(entry["name"]):
        if isinstance(fs, LocalFileSystem):
            return (sha256_file(Path(entry["name"])),)
        with fs.open(entry["name"], "rb") as file:
            return (hashlib.file_digest(file, "sha256").hexdigest(),)
