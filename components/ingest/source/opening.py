"""Opening a source, whatever it is: a folder, an archive or a manifest, local or remote, never unpacked to disk."""

import contextlib
import tempfile
from collections.abc import Iterator
from pathlib import Path

from graft.components.common import storage
from graft.components.common.errors import GraftError
from graft.components.ingest.config import IngestConfig
from graft.components.ingest.source.archives import DAMAGE, open_archive
from graft.components.ingest.source.folders import LocalFolder, RemoteFolder
from graft.components.ingest.source.image_files import ImageFiles
from graft.components.ingest.source.layout import Layout, by_hash, limited, read_layout
from graft.components.ingest.source.manifest import is_manifest, open_manifest


@contextlib.contextmanager
def open_source(uri: str, config: IngestConfig) -> Iterator[tuple[ImageFiles, Layout]]:
    """Opens a source and finds the class and split of each of its images.

    Args:
        uri: Path or URI of a folder, zip, tar or tar.gz, or of a manifest (.csv, .jsonl).
        config: Which images to take, and who decides their splits.

    Yields:
        The files, and the splits and classes of those that ought to be images.

    Raises:
        GraftError: The source can't be opened, or has no usable layout.
    """
    with contextlib.ExitStack() as opened:
        files: ImageFiles
        if is_manifest(uri):
            files, layout = open_manifest(uri, config.sha256)
        else:
            files = opened.enter_context(open_files(uri, config.sha256))
            layout = read_layout(files.paths())
        if config.split_by == "hash":
            layout = by_hash(layout)
        yield files, limited(layout, config.limit) if config.limit else layout


@contextlib.contextmanager
def open_files(uri: str, sha256: str = "") -> Iterator[ImageFiles]:
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
                f"{storage.redact(uri)} is a folder, so it has no SHA-256: leave out --sha256, or name an archive."
            )
        local = storage.local_path(uri)
        yield LocalFolder(local) if local else RemoteFolder(uri)
        return
    with contextlib.ExitStack() as opened:
        scratch = Path(opened.enter_context(tempfile.TemporaryDirectory(prefix="graft-ingest-")))
        archive = storage.fetch(uri, scratch, sha256)
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
    return not uri.startswith(("http://", "https://")) and storage.stat(uri).is_folder
