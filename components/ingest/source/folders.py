"""Folders of files, local and remote."""

from pathlib import Path

from graft.components.common import storage
from graft.components.common.artifacts.lists.source_listing import SourceListing
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
        start = len(str(self._root / "_")) - 1
        return [
            str(path)[start:] + "/" * is_folder
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
        return self.read_as(path, "")[0]

    def read_as(self, path: str, version: str) -> tuple[bytes, str]:
        """Returns a file's bytes and their version."""
        return read_file(str(self._root / path), version)


class RemoteFolder:
    """A folder anywhere else, as `ImageFiles`; one listing tells the paths, sizes and versions of all files.

    Args:
        uri: The folder.
        left_out: Tells which folders in it are not looked into.
        listing: What was listed of it already; None for nothing.

    Attributes:
        listing: What was listed of it.

    Raises:
        GraftError: It can't be listed.
    """

    def __init__(self, uri: str, left_out: LeftOut, listing: SourceListing | None = None) -> None:
        self._uri = uri
        self._own = tuple(left_out.within(uri))
        self.listing = listing or SourceListing.of(
            (file.path, file.size, file.version) for file in storage.list(uri, marks=True)
        )

    def paths(self) -> list[str]:
        """Returns the paths of all files when the folder was listed, and of the folders that have a mark."""
        return [path for path in self.listing.paths() if not path.startswith(self._own)]

    def version(self, path: str) -> str:
        """Returns the checksum or version that the listing told; nothing where there is none."""
        found = self.listing.find(path)
        return found[1] if found else ""

    def read(self, path: str) -> bytes:
        """Returns a file's bytes."""
        return self.read_as(path, "")[0]

    def read_as(self, path: str, version: str) -> tuple[bytes, str]:
        """Returns a file's bytes and their version."""
        size, _ = self.listing.find(path) or (None, "")
        if size == 0:
            return b"", version  # no range of it can be asked for
        if size is not None and size > MAX_FILE_BYTES:
            raise UnreadableFileError(TOO_LARGE)
        return read_file(storage.join(self._uri, path), version)
