"""Folders of files, local and remote."""

import os
from pathlib import Path

from graft.components.common import storage
from graft.components.common.storage.retries import persist, request
from graft.components.ingest.source.image_files import MAX_FILE_BYTES, TOO_LARGE, UnreadableFileError, bounded


def file_version(file: Path) -> str:
    """Returns what changes whenever a local file is written, moved or replaced; nothing if there is no such file.

    Args:
        file: The file.
    """
    try:
        status = file.stat()
    except (OSError, ValueError):
        return ""
    # The time of the last change of content or name: unlike that of modification, no program can set it.
    return f"{status.st_size}-{status.st_ctime_ns}-{status.st_ino}"


class LocalFolder:
    """A local folder."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def paths(self) -> list[str]:
        """Returns the paths of all files, links followed."""
        return [path.relative_to(self._root).as_posix() for path in storage.walk(self._root)]

    def version(self, path: str) -> str:
        """Returns what changes whenever a file is written, moved or replaced; nothing for a broken link."""
        return file_version(self._root / path)

    def read(self, path: str) -> bytes:
        """Returns a file's bytes.

        Raises:
            UnreadableFileError: It can't be read.
        """
        file = self._root / path
        try:
            if not file.is_file():  # a pipe would wait forever
                raise UnreadableFileError("is not a file, or a broken link")
            with file.open("rb") as opened:
                # Python sets aside what it is asked to read: no more than the file has, or one byte too many.
                size = os.fstat(opened.fileno()).st_size
                return bounded(opened.read(min(size, MAX_FILE_BYTES) + 1))
        except PermissionError as error:
            raise UnreadableFileError(f"can't be read ({error.strerror})") from error


class RemoteFolder:
    """A folder anywhere fsspec reads; one listing tells the paths, sizes and versions of all files.

    Raises:
        GraftError: It can't be listed.
    """

    def __init__(self, uri: str) -> None:
        self._fs, path = storage.filesystem(uri)
        self._root = path.rstrip("/")
        with storage.access(uri):
            self._fs.invalidate_cache()  # some other listing may be hours old
            found = persist(lambda: self._fs.find(self._root, detail=True))
            self._fs.invalidate_cache()  # what fsspec keeps of a hundred thousand files is of some size
        # All that is kept of a file: the rest of what a listing tells would take kilobytes each.
        self._files: dict[str, tuple[int | None, str]] = {
            name[len(self._root) + 1 :]: (entry.get("size"), storage.content_version(entry))
            for name, entry in found.items()
            if entry["type"] != "directory" and not name.endswith("/")
        }

    def paths(self) -> list[str]:
        """Returns the paths of all files when the folder was opened."""
        return list(self._files)

    def version(self, path: str) -> str:
        """Returns the checksum or version that the listing told; nothing where there is none."""
        return self._files[path][1]

    def read(self, path: str) -> bytes:
        """Returns a file's bytes.

        Raises:
            UnreadableFileError: It is too large.
            GraftError: It can't be read.
        """
        size, _ = self._files[path]
        if size == 0:
            return b""  # no range of it can be asked for
        if size is not None and size > MAX_FILE_BYTES:
            raise UnreadableFileError(TOO_LARGE)
        name = f"{self._root}/{path}"
        with storage.access(self._fs.unstrip_protocol(name)):
            content: bytes = persist(lambda: request(self._fs, "cat_file", name, start=0, end=MAX_FILE_BYTES + 1))
        return bounded(content)
