"""Uploads to Google Cloud Storage by Google's own client: in chunks that are resumed after trouble, and checksummed."""

import contextlib
from collections.abc import Iterator
from typing import IO, Any

from graft.components.common.storage.troubles import retries

_CHUNK = 32 * 2**20
# Less than this goes as well in one request.
LARGE = 2**20


def is_gcs(uri: str) -> bool:
    """Whether a URI names an object in Google Cloud Storage."""
    return uri.startswith(("gs://", "gcs://"))


def upload_to_gcs(file: IO[bytes], size: int, path: str) -> None:
    """Writes an object, which is there once it is whole.

    Args:
        file: What to write, from its beginning.
        size: Its length in bytes.
        path: The object's bucket and name, as its URI has them.
    """
    from google.cloud.storage.retry import DEFAULT_RETRY

    with gcs_blob(path, _CHUNK) as blob:
        blob.upload_from_file(
            file, rewind=True, size=size, checksum="crc32c", retry=DEFAULT_RETRY.with_timeout(retries.PATIENCE)
        )


@contextlib.contextmanager
def gcs_blob(path: str, chunk: int | None = None) -> Iterator[Any]:
    """Opens Google's client for an object; it finds the account and, in tests, STORAGE_EMULATOR_HOST by itself.

    Args:
        path: The object's bucket and name.
        chunk: How many bytes a request uploads; None for all.

    Yields:
        Google's `Blob`.
    """
    from google.cloud.storage import Client

    bucket, _, name = path.partition("/")
    with Client() as client:
        yield client.bucket(bucket).blob(name, chunk_size=chunk)
