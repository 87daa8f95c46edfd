"""Opening a source, whatever it is: a folder, an archive or a manifest, local or remote, never unpacked to disk."""

import contextlib
import dataclasses
import logging
from collections.abc import Iterable, Iterator

from graft.components.common import storage
from graft.components.common.artifacts.lists.source_listing import SourceListing
from graft.components.common.artifacts.outcomes.results import listed
from graft.components.common.errors import GraftError
from graft.components.ingest.config import MAX_UNPACK_RATIO, IngestConfig
from graft.components.ingest.source.archives import DAMAGE, Tar, Zip, open_archive
from graft.components.ingest.source.folder_layout import read_layout
from graft.components.ingest.source.folders import LocalFolder, RemoteFolder
from graft.components.ingest.source.image_files import ImageFiles
from graft.components.ingest.source.layout import Layout, by_hash, limited
from graft.components.ingest.source.left_out import LeftOut
from graft.components.ingest.source.manifests.manifest import is_manifest, open_manifest
from graft.components.ingest.stand_ins import stand_in

log = logging.getLogger("graft")

_BEGINNING = 512
_OTHER_ARCHIVES = {
    b"7z\xbc\xaf": "7-Zip",
    b"Rar!": "RAR",
    b"\x28\xb5\x2f\xfd": "Zstandard",
    b"BZh": "bzip2",
    b"\xfd7zXZ": "xz",
    b"\x1f\x9d": "compress",
    b"LZIP": "lzip",
    b"\x04\x22\x4d\x18": "LZ4",
    b"PK\7\x08": "multi-volume zip",
    b"MZ": "self-extracting",
}
_DOCUMENTS = {
    "xl/workbook.xml": "an Excel workbook",
    "xl/workbook.bin": "an Excel workbook",
    "META-INF/manifest.xml": "an OpenDocument file, as of LibreOffice",
    "Index/Document.iwa": "a Numbers file",
    "word/document.xml": "a Word document",
}
_TABLES = (".tsv", ".txt", ".json", ".ndjson", ".xls", ".xlsx", ".ods", ".parquet", ".csv.gz", ".jsonl.gz")


@contextlib.contextmanager
def open_source(
    uri: str, config: IngestConfig, written: Iterable[str] = (), listing: SourceListing | None = None
) -> Iterator[tuple[ImageFiles, Layout]]:
    """Opens a source and finds the class and split of each of its images.

    Args:
        uri: Path or URI of a folder, zip, tar or tar.gz, or of a manifest (.csv, .jsonl).
        config: Which images to take, and who decides their splits.
        written: Paths and URIs of what is being written meanwhile. If it lies in the source, it is no part of it.
        listing: What was listed of it already; None for nothing.

    Yields:
        The files, and the splits and classes of those that ought to be images.

    Raises:
        GraftError: The source can't be opened, or has no usable layout.
    """
    with contextlib.ExitStack() as opened:
        files: ImageFiles
        if is_manifest(uri):
            files, layout = open_manifest(uri, config.sha256, config.reach, listing)
        else:
            left_out = LeftOut(written)
            files = opened.enter_context(
                open_files(uri, config.sha256, left_out, config.max_unpack_ratio, config.reach, listing)
            )
            layout = read_layout(files.paths(), config.layout)
            layout = _with_own(layout, uri, left_out.own)
            if isinstance(files, (Zip, Tar)):
                layout = dataclasses.replace(layout, warnings=[*layout.warnings, *_of_archive(files, layout)])
        if config.split_by == "hash":
            layout = by_hash(layout)
        yield files, limited(layout, config.limit) if config.limit else layout


@contextlib.contextmanager
def open_files(
    uri: str,
    sha256: str = "",
    left_out: LeftOut | None = None,
    max_unpack_ratio: int = MAX_UNPACK_RATIO,
    reach: storage.Reach = storage.Reach.NAMED,
    listing: SourceListing | None = None,
) -> Iterator[ImageFiles]:
    """Opens a folder, zip, tar or tar.gz at a path or URI. A remote archive is downloaded once.

    Args:
        uri: The path or URI.
        sha256: The SHA-256 that an archive must have, as hex digits; empty for any.
        left_out: Tells which folders of a folder are not looked into.
        max_unpack_ratio: How many times its own size an archive may unpack to.
        reach: Which addresses may be asked for an archive, if it is on a web server.
        listing: What was listed of a remote folder already; None for nothing.

    Raises:
        GraftError: It is missing, of another kind, damaged, not the one that `sha256` names, or hostile: a member would
            land outside of its folder, is a link or a device, or the archive unpacks to far more than it weighs.
    """
    if storage.is_folder(uri):
        if sha256:
            raise GraftError(
                f"{storage.redact(uri)} is a folder, so it has no SHA-256: leave out --sha256, or name an archive."
            )
        local = storage.local_path(uri)
        left_out = left_out or LeftOut()
        yield LocalFolder(local, left_out) if local else RemoteFolder(uri, left_out, listing)
        return
    with contextlib.ExitStack() as opened:
        scratch = opened.enter_context(storage.scratch_folder("ingest"))
        archive = storage.fetch(uri, scratch, sha256, reach=reach)
        if not archive.is_file():
            raise GraftError(f"{storage.redact(uri)} is not a folder, zip, tar or tar.gz: check the path.")
        try:
            source = open_archive(archive, scratch, opened, max_unpack_ratio)
        except DAMAGE as error:
            name = storage.redact(uri)
            with archive.open("rb") as opened_file:
                start = opened_file.read(_BEGINNING)
            if instead := stand_in(start):
                raise GraftError(f"{name} {instead}.") from error
            if name.lower().endswith(_TABLES):
                raise GraftError(
                    f"{name} is not a folder, zip, tar or tar.gz: if it is a manifest, save it as .csv or .jsonl."
                ) from error
            if kind := _other_archive(start):
                raise GraftError(
                    f"{storage.redact(uri)} is a {kind} archive, which Graft doesn't read: pack it anew as a zip, tar or tar.gz."
                ) from error
            raise GraftError(
                f"{storage.redact(uri)} is not a folder, zip, tar or tar.gz, or it is damaged ({error}): check the file."
            ) from error
        if kind := _document(source.paths()):
            raise GraftError(f"{storage.redact(uri)} is {kind}, not an archive of images: save its table as .csv.")
        yield source


def _with_own(layout: Layout, uri: str, own: Iterable[str]) -> Layout:
    """Notes in a layout which folders of the source Graft itself wrote."""
    root = str(storage.local_path(uri) or uri).rstrip("/") + "/"
    folders = [folder.removeprefix(root) + "/" for folder in own]
    if not folders:
        return layout
    log.info("Passed over %s, which Graft itself wrote.", listed(folders))
    return dataclasses.replace(layout, ignored=sorted([*layout.ignored, *folders]))


def _of_archive(archive: Zip | Tar, layout: Layout) -> Iterator[str]:
    """Yields warnings of classes whose names are guessed, and of several files of one name."""
    doubtful = [name for name in layout.classes if not name.isascii()]
    if isinstance(archive, Zip) and archive.guessed and doubtful:
        yield (
            f"The zip doesn't tell the encoding of its names. Those of the classes {listed(doubtful)} were read as code page "
            f"{archive.guessed[2:]} and may be mangled: pack the folder as a tar, or as a zip with names in UTF-8."
        )
    if archive.repeated and (
        repeated := sorted(image.path for image in layout.images if image.path in archive.repeated)
    ):
        yield (
            f"The archive has several files of each of these names, and the last one counts: {listed(repeated)}. If the others are images "
            "as well, pack it anew under different names."
        )


def _document(paths: Iterable[str]) -> str | None:
    """Returns what kind of document a zip is, by the paths in it; None if it is none."""
    there = set(paths) & _DOCUMENTS.keys()
    return _DOCUMENTS[min(there)] if there else None


def _other_archive(start: bytes) -> str | None:
    """Returns the name of a kind of archive that Graft doesn't read, if a file that begins so is of that kind."""
    return next((kind for magic, kind in _OTHER_ARCHIVES.items() if start.startswith(magic)), None)
