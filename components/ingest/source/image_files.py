"""What every kind of source is: files by path, read one at a time, none larger than an image may be."""

from typing import Protocol

from graft.components.common import storage

MAX_FILE_BYTES = 256 * 2**20
TOO_LARGE = f"is larger than {MAX_FILE_BYTES >> 20} MiB"


class UnreadableFileError(Exception):
    """One file of the source can't be read; its text is the reason."""


class ImageFiles(Protocol):
    """Files by relative path; `read` and `version` may be called from several threads."""

    def paths(self) -> list[str]:
        """Returns the paths of all files, relative, with forward slashes; and of folders, which end in one, where they are known."""

    def version(self, path: str) -> str:
        """Returns what changes when a file's content does, known without reading it; empty where nothing such is known."""

    def read(self, path: str) -> bytes:
        """Returns a file's bytes.

        Raises:
            UnreadableFileError: This file can't be read: it is missing, too large or damaged, or this account may not. Others may be.
            GraftError: The place where it lies can't be reached.
        """

    def read_as(self, path: str, version: str) -> tuple[bytes, str]:
        """Returns a file's bytes as `read` does, and their version: the given one, unless the file has changed since that was told.

        Then it is the new one, or empty where that isn't certain.
        """


def bounded(content: bytes) -> bytes:
    """Returns a file's content, or what was read of it up to one byte over the limit, if it is within the limit.

    Raises:
        UnreadableFileError: It is too large to be an image.
    """
    if len(content) > MAX_FILE_BYTES:
        raise UnreadableFileError(TOO_LARGE)
    return content


def read_file(uri: str, version: str = "", reach: storage.Reach = storage.Reach.NAMED) -> tuple[bytes, str]:
    """Returns the bytes of a file, local or remote, and their version, as `storage.read_as` does.

    Args:
        uri: Its path or URI.
        version: The version that was told of it; empty for none.
        reach: Which addresses may be asked for it, if it is on a web server.

    Raises:
        UnreadableFileError: It is missing or too large, or this account may not read it.
        GraftError: The place where it lies can't be reached.
    """
    try:
        return storage.read_as(uri, version, MAX_FILE_BYTES, reach)
    except storage.FileError as error:
        raise UnreadableFileError(error.reason) from error
