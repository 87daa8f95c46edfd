"""Reading a remote file at any position, a request a range."""

import io
from typing import Any

from graft.components.common.storage.access import access
from graft.components.common.storage.retries import TruncatedError, persist, request


class RangedFile(io.RawIOBase):
    """A remote file that is read in ranges, each tried again while trouble passes.

    Args:
        uri: Its URI, for messages.
        fs: Its fsspec file system.
        path: Its path in there.
        size: Its length in bytes.
    """

    def __init__(self, uri: str, fs: Any, path: str, size: int) -> None:
        super().__init__()
        self._uri, self._fs, self._path, self._size = uri, fs, path, size
        self._position = 0

    def readable(self) -> bool:
        """Whether it can be read."""
        return True

    def seekable(self) -> bool:
        """Whether it can be read from any position."""
        return True

    def tell(self) -> int:
        """Returns the position that is read next."""
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Moves to a position.

        Args:
            offset: How far from where `whence` says.
            whence: The beginning, the present position, or the end.
        """
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._size}[whence]
        self._position = max(start + offset, 0)
        return self._position

    def readinto(self, buffer: Any) -> int:
        """Fills a buffer from the present position, or as much of it as there is left.

        Raises:
            GraftError: It can't be read.
        """
        end = min(self._position + len(buffer), self._size)
        if end <= self._position:
            return 0
        with access(self._uri):
            content = persist(lambda: self._range(self._position, end))
        buffer[: len(content)] = content
        self._position = end
        return len(content)

    def _range(self, start: int, end: int) -> bytes:
        content: bytes = request(self._fs, "cat_file", self._path, start=start, end=end)
        if len(content) != end - start:
            raise TruncatedError(f"{len(content)} of {end - start} bytes came")
        return content
