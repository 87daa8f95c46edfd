"""Web servers as a file system of fsspec, whose own client follows redirects unseen and unpacks whatever comes."""

import io
from tempfile import TemporaryFile
from typing import Any

from fsspec import AbstractFileSystem

from graft.components.common.errors import GraftError
from graft.components.common.storage.uris import Reach
from graft.components.common.storage.web import client

MOST = 2**30
"""How many bytes a file may have that is read as a whole, unless its reader says otherwise."""

_READ_ONLY = "Nothing can be written to a web server: name a local folder, gs:// or s3://."


class WebFiles(AbstractFileSystem):  # type: ignore[misc]
    """Files on web servers, which are read only.

    Args:
        reach: Which addresses may be asked.
        **options: Those of every file system.
    """

    protocol = ("http", "https")

    def __init__(self, reach: Reach = Reach.NAMED, **options: Any) -> None:
        super().__init__(**options)
        self._reach = reach

    @classmethod
    def _strip_protocol(cls, path: str) -> str:
        return path

    def info(self, path: str, **_: Any) -> dict[str, Any]:
        """Returns what the server tells of a file; of one that it sends packed, no size."""
        return _info(path, client.describe(path, self._reach))

    def cat_file(
        self, path: str, start: int | None = None, end: int | None = None, most: int | None = None, **_: Any
    ) -> bytes:
        """Returns a file's bytes, of which there may be `most`, or those from `start` to before `end`."""
        if start is None or end is None:
            return client.read(path, self._reach, MOST if most is None else most)
        return client.read(path, self._reach, end - start, (start, end))

    def cat_told(self, path: str, most: int) -> tuple[bytes, dict[str, Any]]:
        """Returns a file's bytes, of which there may be `most`, and what the server tells of it with them."""
        content, told = client.read_told(path, self._reach, most)
        return content, _info(path, told)

    def ls(self, path: str, detail: bool = True, **_: Any) -> list[Any]:
        """Refuses."""
        raise GraftError("Folders on a web server can't be listed: name a file, or use a bucket.")

    def rm_file(self, path: str) -> None:
        """Refuses."""
        raise GraftError(_READ_ONLY)

    def _open(self, path: str, mode: str = "rb", **_: Any) -> io.BufferedIOBase:
        if mode != "rb":
            raise GraftError(_READ_ONLY)
        file = TemporaryFile()  # noqa: SIM115 (the caller closes it)
        try:
            file.write(client.read(path, self._reach, MOST))
            file.seek(0)
        except BaseException:
            file.close()
            raise
        return file


def _info(path: str, told: client.Told) -> dict[str, Any]:
    size = None if told.packed else told.size
    return {"name": path, "type": "file", "size": size, "ETag": told.tag, "ranges": told.ranges and not told.packed}
