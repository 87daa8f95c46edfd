"""An archive's file as the standard library sees it, which reads its headers only: none can make it take memory or time without end."""

import re
import tarfile
from collections.abc import Iterator
from typing import IO

from graft.components.common.errors import GraftError

_MEMBERS, _BYTES_A_MEMBER = 250_000, 4096
_NAME = 256
_ENTRY = b"PK\1\2"  # begins a member in a zip's directory
_HEADERS = 2**18  # bytes, of a tar's member
_EXTENSIONS = 16  # headers before a tar's member that tell more of it, where two are common
_EXTENDED = (tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.SOLARIS_XHDTYPE)
_LONG_NAMES = (tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK)
_TYPE = 156  # where a tar's header tells a member's type (https://pubs.opengroup.org/onlinepubs/9799919799/utilities/pax.html)
_RECORD = re.compile(rb"(\d{1,7}) ([^=\n]+)=")
# What of the attributes tells anything about a member's name, size and place.
_NEEDED = re.compile(
    rb"path|linkpath|size|hdrcharset|GNU\.sparse\.(?:map|size|realsize|name|major|minor|offset|numbytes)"
)
_DIGITS = re.compile(rb"\d{256}")  # Names of files are shorter. `tarfile` takes time by the square of their number.


def check_members(members: int, names: int, size: int) -> None:
    """Refuses an archive by how many members it has, before they fill the memory.

    Args:
        members: How many members were found in it so far.
        names: The bytes of their names.
        size: Its own bytes.

    Raises:
        GraftError: It has too many.
    """
    most = max(_MEMBERS, size // _BYTES_A_MEMBER)
    if members > most or names > most * _NAME:
        raise GraftError(
            f"The archive of {size:,} bytes has more than {most:,} members, or names of more than {most * _NAME:,} bytes: "
            "unpack it, and make the folder the source."
        )


class ZipHeaders:
    """A zip's file for `zipfile`, which reads all of its directory at once.

    Args:
        file: The zip.
        size: Its bytes.
    """

    def __init__(self, file: IO[bytes], size: int) -> None:
        self._file, self._size = file, size
        self.seek, self.tell = file.seek, file.tell

    def read(self, size: int = -1) -> bytes:
        """Reads on, but no more than there is.

        Raises:
            GraftError: That is a directory of too many members.
        """
        check_members(0, min(size, self._size), self._size)
        content = self._file.read(min(size, self._size))
        check_members(content.count(_ENTRY), 0, self._size)
        return content


class TarHeaders:
    """A tar's file for `tarfile`. Of pax attributes it gives those alone that are needed.

    Args:
        file: The tar.
    """

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self.seek, self.tell, self.close = file.seek, file.tell, file.close
        self.begin()

    def begin(self) -> None:
        """Is to be called before each member."""
        self._bytes = self._extensions = 0
        self._type = b""  # of the extension whose content comes next

    def read(self, size: int) -> bytes:
        """Reads on, a block or the content of an extension.

        Raises:
            tarfile.ReadError: The member has more headers than any has in earnest, or malformed attributes.
        """
        self._bytes += size
        if size < 0 or self._bytes > _HEADERS:
            raise tarfile.ReadError(f"a member with headers of {self._bytes:,} bytes")
        content = self._file.read(size)
        if self._type:
            content = _needed(content) if self._type in _EXTENDED else content
            self._type = b""
        elif content[_TYPE : _TYPE + 1] in (*_EXTENDED, *_LONG_NAMES):
            self._type = content[_TYPE : _TYPE + 1]
            self._extensions += 1
            if self._extensions > _EXTENSIONS:
                raise tarfile.ReadError(f"a member with more than {_EXTENSIONS} headers")
        return content


def _needed(attributes: bytes) -> bytes:
    """Returns the needed ones of pax attributes, filled up with zeros to their size.

    Raises:
        tarfile.ReadError: They are malformed.
    """
    needed = b"".join(record for name, record in _records(attributes) if _NEEDED.fullmatch(name))
    if _DIGITS.search(needed):
        raise tarfile.ReadError("attributes with a number of more than 255 digits")
    return needed.ljust(len(attributes), tarfile.NUL)


def _records(attributes: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yields the names of pax attributes and their whole records, which say how long they are."""
    position = 0
    while position < len(attributes) and attributes[position : position + 1] != tarfile.NUL:
        head = _RECORD.match(attributes, position)
        end = position + int(head[1]) if head else 0
        if not head or not head.end() < end <= len(attributes) or attributes[end - 1 : end] != b"\n":
            raise tarfile.ReadError("malformed attributes")
        yield head[2], attributes[position:end]
        position = end
