"""Reading a remote file at any position, in ranges, each of which is a request that is tried again while trouble passes."""

import io
from typing import Any

from graft.components.common.storage.access import access
from graft.components.common.storage.retries import TruncatedError, persist, request


def open_ranges(uri: str, fs: Any, path: str, size: int, ahead: int) -> io.BufferedReader:
    """Opens a remote file.

    Args:
        uri: Its URI, for messages.
        fs: Its fsspec file system.
        path: Its path in there.
        size: Its length in bytes.
        ahead: How many bytes a request brings at least, if there are so many.
    """
    return io.BufferedReader(_Ranges(uri, fs, path, size), ahead)


def read_range(fs: Any, path: str, start: int, end: int) -> bytes:
    """Returns a part of a remote file, by one request.

    Raises:
        TruncatedError: Fewer bytes came.
        Exception: What the file system raises.
    """
    content: bytes = request(fs, "cat_file", path, start=start, end=end)
    if len(content) != end - start:
        raise TruncatedError(f"{len(content)} of {end - start} bytes came")
    return content


class _Ranges(io.RawIOBase):
    def __init__(self, uri: str, fs: Any, path: str, size: int) -> None:
        super().__init__()
        self._uri, self._fs, self._path, self._size, self._position = uri, fs, path, size, 0

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
            buffer[: end - start] = persist(lambda: read_range(self._fs, self._path, start, end))
        self._position = end
        return end - start
