"""Sources of files: a folder, a zip or a tar, local or remote, each read without unpacking it to disk."""

import contextlib
import gzip
import os
import stat
import tarfile
import tempfile
import threading
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import IO, Any, Protocol

from fsspec.implementations.local import LocalFileSystem

from graft.components.common import storage
from graft.components.common.errors import GraftError

MAX_FILE_BYTES = 256 * 2**20
_MAX_UNPACK_RATIO = 50
_UNPACK_FLOOR = 16 * 2**20


class UnreadableFileError(Exception):
    """One file of the source can't be read; its text is the reason."""


class Source(Protocol):
    """Files by relative path; `read` may be called from several threads."""

    def paths(self) -> list[str]:
        """Returns the paths of all files, relative, with forward slashes."""

    def read(self, path: str) -> bytes:
        """Returns a file's bytes.

        Raises:
            UnreadableFileError: This file can't be read; others may be.
        """


@contextlib.contextmanager
def open_source(uri: str) -> Iterator[Source]:
    """Opens a folder, zip, tar or tar.gz at a path or URI. A remote archive is downloaded once.

    Raises:
        GraftError: It is missing, of another kind, damaged, or hostile: a member would land outside of its folder, is a
            link or a device, or the archive unpacks to far more than it weighs.
    """
    if storage.info(uri)["type"] == "directory":
        yield _Folder(*storage.filesystem(uri))
        return
    with tempfile.TemporaryDirectory(prefix="graft-ingest-") as scratch:
        archive = storage.fetch(uri, Path(scratch))
        try:
            if zipfile.is_zipfile(archive):
                with zipfile.ZipFile(archive) as opened:
                    yield _Zip(opened, archive)
                return
            with archive.open("rb") as file:
                is_gzip = file.read(2) == b"\x1f\x8b"
            tar = _gunzip(archive, Path(scratch)) if is_gzip else archive
            if not tarfile.is_tarfile(tar):
                raise GraftError(f"{storage.redact(uri)} is not a folder, zip, tar or tar.gz, or it is damaged: check the file.")
            with tarfile.open(tar, "r:") as opened_tar, tar.open("rb") as file:
                yield _Tar(opened_tar, file)
        except (zipfile.BadZipFile, tarfile.TarError, EOFError, zlib.error, gzip.BadGzipFile) as error:
            raise GraftError(f"{storage.redact(uri)} is damaged ({error}): get the archive again.") from error


class _Folder:
    def __init__(self, fs: Any, root: str) -> None:
        self._fs, self._root = fs, root.rstrip("/")

    def paths(self) -> list[str]:
        if isinstance(self._fs, LocalFileSystem):
            walked = os.walk(self._root, followlinks=True, onerror=_refuse_folder)
            return [
                (Path(folder) / name).relative_to(self._root).as_posix()
                for folder, _, names in walked
                for name in names
            ]
        return [path[len(self._root) + 1 :] for path in self._fs.find(self._root)]

    def read(self, path: str) -> bytes:
        try:
            with self._fs.open(f"{self._root}/{path}", "rb") as file:
                content: bytes = file.read(MAX_FILE_BYTES + 1)
        except (PermissionError, IsADirectoryError, FileNotFoundError) as error:
            raise UnreadableFileError(f"can't be read ({error.strerror or type(error).__name__})") from error
        return _bounded(content)


def _refuse_folder(error: OSError) -> None:
    raise GraftError(f"{error.filename} can't be listed ({error.strerror}): grant the right to read it.") from error


class _Zip:
    def __init__(self, archive: zipfile.ZipFile, path: Path) -> None:
        self._archive = archive
        self._members = {}
        unpacked = 0
        for member in archive.infolist():
            mode = member.external_attr >> 16
            _check_member(member.filename, is_plain=stat.S_IFMT(mode) in (0, stat.S_IFREG, stat.S_IFDIR))
            unpacked += member.file_size
            if not member.is_dir():
                self._members[member.filename] = member
        _check_ratio(unpacked, path.stat().st_size)

    def paths(self) -> list[str]:
        return list(self._members)

    def read(self, path: str) -> bytes:
        member = self._members[path]
        if member.flag_bits & 0x1:
            raise UnreadableFileError("is encrypted")
        if member.file_size > MAX_FILE_BYTES:
            raise UnreadableFileError(f"is larger than {MAX_FILE_BYTES >> 20} MiB")
        try:
            return self._archive.read(member)
        except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError) as error:
            raise UnreadableFileError(f"is damaged in the archive ({error})") from error


class _Tar:
    def __init__(self, archive: tarfile.TarFile, file: IO[bytes]) -> None:
        self._file, self._lock, self._members = file, threading.Lock(), {}
        for member in archive:
            _check_member(member.name, is_plain=member.isreg() or member.isdir())
            if member.isreg():
                self._members[member.name.removeprefix("./")] = member

    def paths(self) -> list[str]:
        return list(self._members)

    def read(self, path: str) -> bytes:
        member = self._members[path]
        if member.sparse is not None:
            raise UnreadableFileError("is stored as a sparse file")
        with self._lock:
            self._file.seek(member.offset_data)
            content = self._file.read(min(member.size, MAX_FILE_BYTES + 1))
        if len(content) < min(member.size, MAX_FILE_BYTES + 1):
            raise UnreadableFileError("is cut off in the archive")
        return _bounded(content)


def _bounded(content: bytes) -> bytes:
    if len(content) > MAX_FILE_BYTES:
        raise UnreadableFileError(f"is larger than {MAX_FILE_BYTES >> 20} MiB")
    return content


def _check_member(name: str, *, is_plain: bool) -> None:
    """Refuses archive members that would be dangerous to anyone who unpacks the archive."""
    parts = PurePosixPath(name.replace("\\", "/")).parts
    if ".." in parts or name.startswith(("/", "\\")) or (parts and parts[0].endswith(":")):
        raise GraftError(f"The archive has a member {name!r} that would land outside of its folder: don't trust this archive.")
    if not is_plain:
        raise GraftError(f"The archive has a member {name!r} that is a link or a device: pack plain files only.")


def _check_ratio(unpacked: int, packed: int) -> None:
    if unpacked > max(_UNPACK_FLOOR, _MAX_UNPACK_RATIO * packed):
        raise GraftError(
            f"The archive of {packed:,} bytes unpacks to {unpacked:,} bytes or more, over {_MAX_UNPACK_RATIO} times its "
            "weight, as a decompression bomb does: if you trust it, unpack it yourself and name the folder."
        )


def _gunzip(archive: Path, scratch: Path) -> Path:
    """Decompresses a tar.gz once, so that its members can be read in any order, by any thread."""
    packed, unpacked = archive.stat().st_size, 0
    target = scratch / "unpacked.tar"
    with gzip.open(archive) as packed_file, target.open("wb") as file:
        while block := packed_file.read(2**20):
            unpacked += len(block)
            _check_ratio(unpacked, packed)
            file.write(block)
    return target
