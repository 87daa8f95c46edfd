"""What storage raises, told in one sentence: missing, not allowed, refused, or out of reach."""

import contextlib
import errno
from collections.abc import Iterator
from typing import Literal

from graft.components.common.errors import GraftError
from graft.components.common.storage.troubles.credentials import trouble_with_credentials
from graft.components.common.storage.troubles.retries import http_status, is_transient, s3_code
from graft.components.common.storage.uris import brief, redact

# What a missing right is called where it is granted.
_ROLES = {
    ("gs", "read"): "roles/storage.objectViewer on the bucket",
    ("gs", "write"): "roles/storage.objectUser on the bucket",
    ("s3", "read"): "s3:GetObject and s3:ListBucket",
    ("s3", "write"): "s3:PutObject, s3:GetObject, s3:DeleteObject and s3:ListBucket",
}
_NO_FILE = (errno.EISDIR, errno.ENOTDIR, errno.ENAMETOOLONG, errno.ELOOP)
# What S3 says of objects in GLACIER, DEEP_ARCHIVE and the archive tiers of INTELLIGENT_TIERING.
_ARCHIVED = "InvalidObjectState"
_DENIED, _GONE, _SERVER_ERRORS = (401, 403), (404, 410), 500


class FileError(GraftError):
    """A file can't be used, and the reason is the file: others in the same place may be fine.

    Attributes:
        reason: Why, without the file's name, such as `can't be read by this account`.
    """

    def __init__(self, message: str, reason: str) -> None:
        super().__init__(message)
        self.reason = reason


class MissingError(FileError):
    """There is no such file."""


def too_large(uri: str, most: int) -> FileError:
    """Returns the refusal of a file that has more bytes than it may have.

    Args:
        uri: Its path or URI.
        most: How many it may have.
    """
    reason = f"is larger than {most / 2**20:,.0f} MiB"
    return FileError(f"{redact(uri)} {reason}.", reason)


@contextlib.contextmanager
def access(uri: str, right: Literal["read", "write"] = "read") -> Iterator[None]:
    """Turns whatever a storage's client raises while it works on a path or URI into one sentence.

    Args:
        uri: The path or URI.
        right: The right that the work needs, to be named where it is missing.

    Raises:
        MissingError: Nothing is there.
        FileError: It can't be read or written, and the reason is this file.
        GraftError: It can't be reached.
    """
    try:
        yield
    except GraftError:
        raise
    except Exception as error:  # Each backend raises its own kind.
        raise _refusal(uri, right, error) from error


def _refusal(uri: str, right: Literal["read", "write"], error: Exception) -> GraftError:
    name = redact(uri)
    unreachable = f"{name} can't be reached: {brief(error)}"
    if is_transient(error):
        return GraftError(f"{unreachable}: try again later.")
    cause: BaseException = error
    # fsspec's web client turns all that goes wrong into a FileNotFoundError, and keeps what did as its cause.
    if isinstance(error, FileNotFoundError) and error.__cause__ is not None:
        behind = error.__cause__
        cause = behind if isinstance(behind, OSError) or http_status(behind) is not None else error
    if wrong := trouble_with_credentials(cause):
        return GraftError(f"{name} can't be reached: {wrong}.")
    if s3_code(cause) == _ARCHIVED:
        reason = "is archived (a storage class such as GLACIER)"
        return FileError(
            f"{name} {reason}: restore it first, as with aws s3api restore-object.", f"{reason}: restore it"
        )
    status = http_status(cause)
    if status in _GONE or isinstance(cause, FileNotFoundError):
        return MissingError(f"{name} doesn't exist: check the path or URI.", "doesn't exist, or is no file")
    # gcsfs says so in its message, others by their error's kind or its HTTP status.
    if isinstance(cause, PermissionError) or str(cause).startswith("Forbidden") or status in _DENIED:
        remedy = _ROLES.get((uri.partition("://")[0] if "://" in uri else "", right), f"the right to {right} it")
        reason = f"can't be {'read' if right == 'read' else 'written'} by this account"
        return FileError(f"{name} {reason}: grant it {remedy}.", reason)
    if status is not None and status < _SERVER_ERRORS:
        return FileError(f"{unreachable}.", f"can't be read (HTTP status {status})")
    if isinstance(cause, IsADirectoryError) and right == "read":
        return FileError(f"{name} is a folder: name a file.", "doesn't exist, or is no file")
    if isinstance(cause, OSError) and cause.errno in _NO_FILE:
        return FileError(f"{unreachable}.", "doesn't exist, or is no file")
    if isinstance(cause, OSError) and cause.errno == errno.EIO and right == "read" and "://" not in uri:
        return FileError(f"{unreachable}.", "can't be read from its disk (input/output error)")
    if isinstance(cause, ValueError):
        return FileError(f"{unreachable}.", "has no valid URI")
    return GraftError(f"{unreachable}.")
