"""What the kinds of sources share: files that can't be read, and how large one may be."""

MAX_FILE_BYTES = 256 * 2**20
TOO_LARGE = f"is larger than {MAX_FILE_BYTES >> 20} MiB"


class UnreadableFileError(Exception):
    """One file of the source can't be read; its text is the reason."""


def bounded(content: bytes) -> bytes:
    """Returns a file's content, or what was read of it up to one byte over the limit, if it is within the limit.

    Raises:
        UnreadableFileError: It is too large to be an image.
    """
    if len(content) > MAX_FILE_BYTES:
        raise UnreadableFileError(TOO_LARGE)
    return content
