"""Uploads to Google Cloud Storage by Google's own client: in chunks that are resumed after trouble, and checksummed."""

from typing import IO

from graft.components.common.storage import retries

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
        path: The object's bucket and name, as `storage.filesystem` returns them.

    Raises:
        Exception: What Google's client raises once it has given up.
    """
    from google.cloud.storage import Client
    from google.cloud.storage.retry import DEFAULT_RETRY

    bucket, _, name = path.partition("/")
    with Client() as client:  # It finds the account and, in tests, STORAGE_EMULATOR_HOST by itself.
        blob = client.bucket(bucket).blob(name, chunk_size=_CHUNK)
        blob.upload_from_file(
            file, rewind=True, size=size, checksum="crc32c", retry=DEFAULT_RETRY.with_timeout(retries.PATIENCE)
        )
