"""Zips and tars, read without unpacking them to disk; hostile ones are refused before anything is read."""

import contextlib
import gzip
import io
import stat
import struct
import tarfile
import tempfile
import threading
import zipfile
import zlib
from pathlib import Path, PurePosixPath
from typing import IO, cast

from graft.components.common.errors import GraftError
from graft.components.ingest.source.archive_headers import TarHeaders, ZipHeaders, check_members
from graft.components.ingest.source.image_files import MAX_FILE_BYTES, TOO_LARGE, UnreadableFileError, bounded
from graft.components.ingest.source.zip_names import member_names

_GZIP = b"\x1f\x8b"
_UNPACK_FLOOR = 16 * 2**20
_ZIP_HEADER = 30  # bytes of a member's header before its name
_ZIP_OVERHEAD = 2**20  # by which deflate may make a file longer
# A limit holds when these are unpacked; a few bytes of the others can unpack to gigabytes at once.
_ZIP_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
# What the standard library raises on damaged or hostile archives.
DAMAGE = (
    zipfile.BadZipFile,
    tarfile.TarError,
    gzip.BadGzipFile,
    zlib.error,
    struct.error,
    EOFError,
    NotImplementedError,
    OverflowError,
    ValueError,
)


def open_archive(archive: Path, scratch: Path, opened: contextlib.ExitStack, max_ratio: int) -> "Zip | Tar":
    """Opens a zip, tar or tar.gz.

    Args:
        archive: The file.
        scratch: Where the tar of a tar.gz goes.
        opened: Closes what is opened here.
        max_ratio: How many times its own size it may unpack to.

    Raises:
        GraftError: The archive is hostile.
        Exception: One of `DAMAGE`, if it is no archive, or a damaged one.
    """
    file = opened.enter_context(archive.open("rb"))
    magic = file.read(2)
    if magic == b"PK":
        size = archive.stat().st_size
        directory = cast("IO[bytes]", ZipHeaders(file, size))
        return Zip(opened.enter_context(zipfile.ZipFile(directory)), file, size, max_ratio)
    if magic == _GZIP:
        file = opened.enter_context(_gunzip(archive, scratch, max_ratio).open("rb"))
    file.seek(0)
    headers = TarHeaders(file)
    listed = tarfile.open(fileobj=cast("IO[bytes]", headers), mode="r:", encoding="utf-8")  # noqa: SIM115
    return Tar(opened.enter_context(listed), headers, file, max_ratio, was_packed=magic == _GZIP)


class Zip:
    """A zip, as `ImageFiles`; versions are sizes and checksums out of its directory.

    Attributes:
        guessed: The code page that its names were taken to be in, if it tells nothing of them; empty if they are certain.
        repeated: Names that several of its files have, of which the last one counts, as where one was added anew.
    """

    def __init__(self, archive: zipfile.ZipFile, file: IO[bytes], packed: int, max_ratio: int) -> None:
        self._file, self._lock, self._members = file, threading.Lock(), dict[str, zipfile.ZipInfo]()
        self.repeated = set[str]()
        self._most = min(packed, MAX_FILE_BYTES + _ZIP_OVERHEAD)  # that a member may have packed, whatever it says
        unpacked = 0
        names, self.guessed = member_names(archive.infolist())
        for name, member in zip(names, archive.infolist(), strict=True):
            mode = member.external_attr >> 16
            _check_member(name, is_plain=stat.S_IFMT(mode) in (0, stat.S_IFREG, stat.S_IFDIR))
            if not 0 <= member.header_offset < packed:
                raise zipfile.BadZipFile("a member that begins outside of the file")
            unpacked += member.file_size
            if name in self._members and self.version(name) != f"{member.file_size}-{member.CRC:08x}":
                self.repeated.add(name)
            self._members[name] = member
        _check_ratio(unpacked, packed, max_ratio)

    def paths(self) -> list[str]:
        """Returns the paths of all files and folders in it."""
        return list(self._members)

    def version(self, path: str) -> str:
        """Returns the file's size and CRC-32, as the archive's directory tells them."""
        member = self._members[path]
        return f"{member.file_size}-{member.CRC:08x}"

    def read(self, path: str) -> bytes:
        """Returns a file's bytes."""
        member = self._members[path]
        if member.flag_bits & 0x1:
            raise UnreadableFileError("is encrypted")
        if member.compress_type not in _ZIP_METHODS:
            raise UnreadableFileError("is compressed by another method than deflate (zip it anew with that one)")
        if member.file_size > MAX_FILE_BYTES:
            raise UnreadableFileError(TOO_LARGE)
        try:
            return self._unpack(member)
        except DAMAGE as error:
            raise UnreadableFileError(f"is damaged in the archive ({error})") from error

    def read_as(self, path: str, version: str) -> tuple[bytes, str]:
        """Returns a file's bytes and the version that was given: an archive is one file, and stays as it is."""
        return self.read(path), version

    def _unpack(self, member: zipfile.ZipInfo) -> bytes:
        """Returns a member's bytes. `zipfile` would insist that its name stands twice in the same form, which not all tools do."""
        with self._lock:
            self._file.seek(member.header_offset)
            *_, name, extra = struct.unpack("<4s22x2H", self._file.read(_ZIP_HEADER))
            self._file.seek(name + extra, io.SEEK_CUR)
            content = self._file.read(min(member.compress_size, self._most))
        if member.compress_type == zipfile.ZIP_DEFLATED:
            content = zlib.decompressobj(-zlib.MAX_WBITS).decompress(content, member.file_size + 1)
        if len(content) != member.file_size or zlib.crc32(content) != member.CRC:
            raise zipfile.BadZipFile("Bad CRC-32")
        return content


class Tar:
    """A tar, as `ImageFiles`, which holds no checksums of its files, so no versions.

    Attributes:
        repeated: Names that several of its files have, of which the last one counts, as where one was appended anew.
    """

    def __init__(
        self, archive: tarfile.TarFile, headers: TarHeaders, file: IO[bytes], max_ratio: int, *, was_packed: bool
    ) -> None:
        """Lists the members; from then on the file is read directly, which is simpler to share between threads."""
        self._file, self._lock = file, threading.Lock()
        self._members: dict[str, tarfile.TarInfo] = {}
        self._folders: list[str] = []
        self.repeated = set[str]()
        members = names = linked = end = 0
        packed = file.seek(0, io.SEEK_END)
        while member := archive.next():
            if member.size < 0 or not end <= member.offset < archive.offset <= packed:
                raise tarfile.ReadError("a member that reaches outside of the file")
            end, members, names = archive.offset, members + 1, names + len(member.name)
            check_members(members, names, packed)
            headers.begin()
            name = member.name.removeprefix("./")
            # A hard link is another name of a member before it. What else it may lead to is not in the archive.
            found = self._members.get(member.linkname.removeprefix("./")) if member.islnk() else member
            _check_member(member.name, is_plain=found is not None and (found.isreg() or found.isdir()))
            if found and found.isreg():
                if self._members.get(name, found) is not found:
                    self.repeated.add(name)
                self._members[name] = found
                linked += found.size if member.islnk() else 0
            else:
                self._folders.append(f"{name}/")
        _check_ratio(linked, packed, max_ratio)
        # tarfile takes a damaged header for the end.
        file.seek(archive.offset)
        mark = file.read(tarfile.BLOCKSIZE)
        if mark != tarfile.NUL * tarfile.BLOCKSIZE and (mark or not was_packed):
            # What was packed came to the packing's own end, though some programs write no end mark.
            cut = "" if mark else ", as where it was cut off; if it has all images, unpack it, and name the folder"
            raise tarfile.ReadError(f"no end mark after its last readable member{cut}")
        if _goes_on(file):
            raise GraftError(
                "The archive has another tar behind its end, as `cat a.tar b.tar` makes it, and most programs would not see that one's "
                "images: unpack all of it, as `tar --ignore-zeros` does, and make the folder the source."
            )

    def paths(self) -> list[str]:
        """Returns the paths of all files and folders in it."""
        return [*self._members, *self._folders]

    def version(self, path: str) -> str:
        """Returns nothing: a tar tells no checksums, and its times are whatever who packed it set."""
        return ""

    def read(self, path: str) -> bytes:
        """Returns a file's bytes."""
        member = self._members[path]
        if member.sparse is not None:
            raise UnreadableFileError("is stored as a sparse file")
        with self._lock:
            self._file.seek(member.offset_data)
            content = self._file.read(min(member.size, MAX_FILE_BYTES + 1))
        if len(content) < min(member.size, MAX_FILE_BYTES + 1):
            raise UnreadableFileError("is cut off in the archive")
        return bounded(content)

    def read_as(self, path: str, version: str) -> tuple[bytes, str]:
        """Returns a file's bytes and the version that was given, which is none."""
        return self.read(path), version


def _goes_on(file: IO[bytes]) -> bool:
    """Whether another tar begins behind the end of one, where the file stands. Whatever else lies there plays no part."""
    block = tarfile.NUL
    while block and not block.strip(tarfile.NUL):
        block = file.read(tarfile.BLOCKSIZE)
    try:
        tarfile.TarInfo.frombuf(block, "utf-8", "surrogateescape")
    except tarfile.HeaderError:
        return False
    return True


def _check_member(name: str, *, is_plain: bool) -> None:
    """Refuses archive members that would be dangerous to anyone who unpacks the archive."""
    parts = PurePosixPath(name.replace("\\", "/")).parts
    if ".." in parts or name.startswith(("/", "\\")) or (parts and parts[0].endswith(":")):
        raise GraftError(
            f"The archive has a member {name!r} that would be unpacked outside of its folder: don't use this archive."
        )
    if not is_plain:
        raise GraftError(
            f"The archive has a member {name!r} that is a link or a device: pack plain files only, as `tar --dereference` does."
        )


def _check_ratio(unpacked: int, packed: int, max_ratio: int) -> None:
    if unpacked > max(_UNPACK_FLOOR, max_ratio * packed):
        raise GraftError(
            f"The archive of {packed:,} bytes unpacks to {unpacked:,} bytes or more, over {max_ratio} times its size, like a "
            "decompression bomb, or like plain bitmaps: if you trust it, raise --max-unpack-ratio."
        )


def _gunzip(archive: Path, scratch: Path, max_ratio: int) -> Path:
    """Decompresses a tar.gz once, so that its members can be read in any order, by any thread."""
    packed, unpacked = archive.stat().st_size, 0
    target = Path(tempfile.mkdtemp(dir=scratch)) / "unpacked.tar"  # the archive itself may lie in scratch, by any name
    with gzip.open(archive) as packed_file, target.open("wb") as file:
        while block := packed_file.read(2**20):
            unpacked += len(block)
            _check_ratio(unpacked, packed, max_ratio)
            file.write(block)
    return target
