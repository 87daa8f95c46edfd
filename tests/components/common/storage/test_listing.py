"""Listing buckets page by page, on real servers."""

import fsspec
import pytest
from file_server import file_server

from graft.components.common import storage
from graft.components.common.errors import GraftError
from graft.components.common.storage.listing import PAGE
from graft.components.resolve.fingerprint import fingerprint

pytestmark = pytest.mark.slow


def put(uri, names):
    fs, path = fsspec.core.url_to_fs(uri)
    fs.pipe({f"{path}/{name}": name.encode() for name in names})
    return fs, path


def test_pages_tell_what_asking_for_each_would(any_bucket):
    names = [f"{number:04} #ü.jpg" for number in range(PAGE + 200)]
    put(f"{any_bucket}/photos", [*names, "deeper/x.jpg"])
    put(f"{any_bucket}/photos-of-others", ["x.jpg"])
    pages = list(storage.list_pages(f"{any_bucket}/photos"))
    assert [len(page) for page in pages] == [PAGE, 200]
    found = {name: version for page in pages for name, version in page.items()}
    assert sorted(found) == names
    assert len(set(found.values())) == len(names)
    for name in (names[0], names[-1]):
        assert found[name] == storage.version(f"{any_bucket}/photos/{name}")


def test_a_listing_is_of_now(any_bucket):
    fs, path = put(any_bucket, ["a.jpg", "b.jpg"])
    (before,) = storage.list_pages(any_bucket)
    fs.ls(path)
    other = type(fs)(skip_instance_cache=True)
    other.pipe_file(f"{path}/b.jpg", b"another")
    (after,) = storage.list_pages(any_bucket)
    assert after["a.jpg"] == before["a.jpg"] and after["b.jpg"] != before["b.jpg"]


def test_an_object_may_have_a_folder_s_name(s3_bucket):  # not on fake-gcs-server, which keeps objects as files
    put(s3_bucket, ["photos/cats/a.jpg", "photos", "archive.zip", "archive.zip.sums"])
    assert storage.is_folder(f"{s3_bucket}/photos") and storage.is_folder(f"{s3_bucket}/photos/")
    assert [file.path for file in storage.list(f"{s3_bucket}/photos")] == ["cats/a.jpg"]
    assert fingerprint(f"{s3_bucket}/photos") != fingerprint(f"{s3_bucket}/archive.zip")


def test_an_archive_is_no_folder(any_bucket):
    put(any_bucket, ["archive.zip", "archive.zip.sums", "photos/cats/a.jpg"])
    assert not storage.is_folder(f"{any_bucket}/archive.zip") and storage.is_folder(f"{any_bucket}/photos/cats")


def test_names_that_look_like_versions(any_bucket):
    names = ["a.jpg#1699999999999999", "b #1?generation=5", "c::d?e#f"]
    put(f"{any_bucket}/#1", names)
    for name in names:
        assert storage.read(f"{any_bucket}/#1/{name}", 100) == name.encode()
    assert [file.path for file in storage.list(f"{any_bucket}/#1")] == names


def test_where_nothing_is_and_where_nothing_can_be_listed(any_bucket, tmp_path):
    assert list(storage.list_pages(f"{any_bucket}/nothing")) == [{}]
    with pytest.raises(GraftError, match=r"-nowhere/photos doesn't exist|-nowhere/photos can't be reached"):
        list(storage.list_pages(f"{any_bucket}-nowhere/photos"))
    fsspec.filesystem("memory").pipe("/photos/a.jpg", b"a")
    with file_server(b"cat") as server:
        for uri in ("memory://photos", server.url.rpartition("/")[0], str(tmp_path)):
            assert list(storage.list_pages(uri)) == []
