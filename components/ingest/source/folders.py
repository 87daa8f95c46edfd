"""Folders of files, local and remote."""

from pathlib import Path

from graft.components.common import storage
from graft.components.ingest.source.image_files import (
    MAX_FILE_BYTES,
    TOO_LARGE,
    UnreadableFileError,
    read_file,
)
from graft.components.ingest.source.left_out import LeftOut


class LocalFolder:
    """A local folder, as `ImageFiles`.

    Args:
        root: The folder.
        left_out: Tells which folders in it are not looked into.
    """

    def __init__(self, root: Path, left_out: LeftOut) -> None:
        self._root, self._left_out = root, left_out

    def paths(self) -> list[str]:
        """Returns the paths of all files, links followed, and of folders that are empty or not looked into."""
        return [
            path.relative_to(self._root).as_posix() + "/" * is_folder
            for path, is_folder in storage.walk(self._root, self._left_out)
            if not is_folder or str(path) not in self._left_out.own
        ]

    def version(self, path: str) -> str:
        """Returns what changes whenever a file is written, moved or replaced; nothing for a broken link."""
        try:
            return storage.version(str(self._root / path))
        except storage.FileError:
            return ""

    def read(self, path: str) -> bytes:
        """Returns a file's bytes."""
        return read_file(str(self._root / path))


class RemoteFolder:
    """A folder anywhere else, as `ImageFiles`; one listing tells the paths, sizes and versions of all files.

    Args:
        uri: The folder.
        left_out: Tells which folders in it are not looked into.

    Raises:
        GraftError: It can't be listed.
    """

    def __init__(self, uri: str, left_out: LeftOut) -> None:
        self._uri = uri
        own = tuple(left_out.within(uri))
        # All that is kept of a file: a version and a size.
        self._files = {
            file.path: (file.size, file.version)
            for file in storage.list(uri, marks=True)
            if not file.path.startswith(own)
        }

    def paths(self) -> list[str]:
        """Returns the paths of all files when the folder was opened, and of the folders that have a mark."""
        return list(self._files)

    def version(self, path: str) -> str:
        """Returns the checksum or version that the listing told; nothing where there is none."""
        return self._files[path][1]

    def read(self, path: str) -> bytes:
        """Returns a file's bytes."""
        size, _ = self._files[path]
        if size == 0:
            return b""  # no range of it can be asked for
        if size is not None and size > MAX_FILE_BYTES:
            raise UnreadableFileError(TOO_LARGE)
        return read_file(storage.join(self._uri, path))
