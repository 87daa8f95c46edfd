"""Reading a remote file at any position, in ranges, each of which is a request that is tried again while trouble passes."""

import io
from typing import Any

from graft.components.common.storage.places import Place
from graft.components.common.storage.troubles.access import access
from graft.components.common.storage.troubles.retries import TruncatedError, persist, request


def open_ranges(uri: str, place: Place, size: int, ahead: int) -> io.BufferedReader:
    """Opens a remote file for reading at any position.

    Args:
        uri: Its URI, for messages.
        place: Where it lies.
        size: Its length in bytes.
        ahead: How many bytes each request brings at least, if there are so many.
    """
    return io.BufferedReader(_Ranges(uri, place, size), ahead)


def read_range(place: Place, start: int, end: int) -> bytes:
    """Returns a part of a remote file, by one request.

    Args:
        place: Where the file lies.
        start: The first byte, from 0.
        end: The byte after the last.

    Raises:
        TruncatedError: Fewer bytes came.
    """
    content: bytes = request(place.fs, "cat_file", place.path, start=start, end=end)
    if len(content) != end - start:
        raise TruncatedError(f"{len(content)} of {end - start} bytes came")
    return content


class _Ranges(io.RawIOBase):
    def __init__(self, uri: str, place: Place, size: int) -> None:
        super().__init__()
        self._uri, self._place, self._size, self._position = uri, place, size, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        self._position = offset + {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._size}[whence]
        return self._position

    def readinto(self, buffer: Any) -> int:
        start, end = self._position, min(self._position + len(buffer), self._size)
        if end <= start:
            return 0
        with access(self._uri):
            buffer[: end - start] = persist(lambda: read_range(self._place, start, end))
        self._position = end
        return end - start
