"""Sources of files: a folder, a zip or a tar, local or remote, each read without unpacking it to disk."""

import contextlib
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

from fsspec.implementations.local import LocalFileSystem

from graft.components.common import storage
from graft.components.common.errors import GraftError
from graft.components.common.storage.transfer import fetch
from graft.components.ingest.source.archives import DAMAGE, open_archive
from graft.components.ingest.source.folders import Folder, RemoteFolder
from graft.components.ingest.source.reading import UnreadableFileError

__all__ = ["Source", "UnreadableFileError", "open_source"]


class Source(Protocol):
    """Files by relative path; `read` and `version` may be called from several threads."""

    def paths(self) -> list[str]:
        """Returns the paths of all files, relative, with forward slashes."""

    def version(self, path: str) -> str:
        """Returns what changes when a file's content does, known without reading it; empty where nothing such is known."""

    def read(self, path: str) -> bytes:
        """Returns a file's bytes.

        Raises:
            UnreadableFileError: This file can't be read; others may be.
        """


@contextlib.contextmanager
def open_source(uri: str, sha256: str = "") -> Iterator[Source]:
    """Opens a folder, zip, tar or tar.gz at a path or URI. A remote archive is downloaded once.

    Args:
        uri: The path or URI.
        sha256: The SHA-256 that an archive must have, as hex digits; empty for any.

    Raises:
        GraftError: It is missing, of another kind, damaged, not the one that `sha256` names, or hostile: a member would
            land outside of its folder, is a link or a device, or the archive unpacks to far more than it weighs.
    """
    if _is_folder(uri):
        if sha256:
            raise GraftError(
                f"{storage.redact(uri)} is a folder, which has no SHA-256: leave out --sha256, or name an archive."
            )
        fs, root = storage.filesystem(uri)
        yield Folder(Path(root)) if isinstance(fs, LocalFileSystem) else RemoteFolder(uri)
        return
    with contextlib.ExitStack() as opened:
        scratch = Path(opened.enter_context(tempfile.TemporaryDirectory(prefix="graft-ingest-")))
        archive = fetch(uri, scratch, sha256)
        if not archive.is_file():
            raise GraftError(f"{storage.redact(uri)} is not a folder, zip, tar or tar.gz: check the path.")
        try:
            source = open_archive(archive, scratch, opened)
        except DAMAGE as error:
            raise GraftError(
                f"{storage.redact(uri)} is not a folder, zip, tar or tar.gz, or it is damaged ({error}): check the file."
            ) from error
        yield source


def _is_folder(uri: str) -> bool:
    """Whether there is a folder; the web has none, and a presigned URL would refuse to tell."""
    return not uri.startswith(("http://", "https://")) and bool(storage.info(uri)["type"] == "directory")
