"""Listing a folder in a bucket page by page: fsspec lists a folder as a whole, be it of ten million objects."""

from collections.abc import Callable, Iterator
from typing import Any

from graft.components.common.storage import files as storage
from graft.components.common.storage.retries import persist, request

# So many objects come with a page, on GCS and S3.
PAGE = 1000
_GCS_FIELDS = "items(name,size,md5Hash,generation),nextPageToken"

_Page = tuple[list[dict[str, Any]], str]


def list_pages(uri: str) -> Iterator[dict[str, str]]:
    """Lists the objects right in a folder of a GCS or S3 bucket, as they are now, a request a page.

    Args:
        uri: The folder's URI.

    Yields:
        What `storage.content_version` says of the objects, by their paths within the file system; nothing where there is no bucket.

    Raises:
        GraftError: The folder can't be listed.
    """
    fs, path = storage.filesystem(uri)
    fetch = next((fetch for protocol, fetch in _FETCH.items() if protocol in fs.protocol), None)
    if fetch is None:
        return
    bucket, _, folder = path.rstrip("/").partition("/")
    following = ""
    while True:
        with storage.access(uri):
            entries, following = persist(_call(fetch, fs, bucket, f"{folder}/" if folder else "", following))
        yield {f"{bucket}/{entry['name']}": storage.content_version(entry) for entry in entries}
        if not following:
            return


def _call(fetch: Callable[..., _Page], *arguments: Any) -> Callable[[], _Page]:
    return lambda: fetch(*arguments)


def _gcs(fs: Any, bucket: str, prefix: str, following: str) -> _Page:
    options = {"prefix": prefix, "delimiter": "/", "maxResults": PAGE, "fields": _GCS_FIELDS}
    options |= {"pageToken": following} if following else {}
    found = request(fs, "call", "GET", "b/{}/o", bucket, json_out=True, **options)
    return found.get("items", []), found.get("nextPageToken", "")


def _s3(fs: Any, bucket: str, prefix: str, following: str) -> _Page:
    options = {"Bucket": bucket, "Prefix": prefix, "Delimiter": "/", "MaxKeys": PAGE}
    options |= {"ContinuationToken": following} if following else {}
    found = request(fs, "call_s3", "list_objects_v2", **options)
    entries = [{"name": item["Key"], "size": item["Size"], "ETag": item["ETag"]} for item in found.get("Contents", [])]
    return entries, found.get("NextContinuationToken", "")


_FETCH = {"gs": _gcs, "s3": _s3}
