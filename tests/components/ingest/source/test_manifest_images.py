"""Versions of the images that a manifest names: by listings where they lie together, by requests where they don't."""

import logging

import fsspec
import pytest
from proxy import Handler, Proxy

from graft.components.common import storage
from graft.components.common.storage.listing import PAGE
from graft.components.ingest.source.manifests.manifest import open_manifest

pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def put(uri, names):
    fs, path = fsspec.core.url_to_fs(uri)
    fs.pipe({f"{path}/{name}": name.encode() for name in names})
    return fs, path


def manifest(uri, names):
    fs, path = fsspec.core.url_to_fs(f"{uri}/manifest.csv")
    fs.pipe_file(path, ("uri,label\n" + "".join(f"{name},{'ab'[n % 2]}\n" for n, name in enumerate(names))).encode())
    return open_manifest(f"{uri}/manifest.csv")[0]


@pytest.fixture
def asked(monkeypatch):
    """What is asked for by itself."""
    asked = []
    real = storage.version
    monkeypatch.setattr(storage, "version", lambda uri, *reach: asked.append(uri) or real(uri, *reach))
    return asked


def test_a_listing_tells_what_requests_would(any_bucket, asked):
    names = [f"{number:03}.jpg" for number in range(40)]
    put(any_bucket, names)
    images = manifest(any_bucket, [*names, "missing.jpg"])
    found = {name: images.version(name) for name in images.paths()}
    assert asked == [f"{any_bucket}/missing.jpg"] and found.pop("missing.jpg") == ""
    assert found == {name: storage.version(f"{any_bucket}/{name}") for name in names}


def test_few_images_are_asked_for_one_by_one(any_bucket, asked):
    names = [f"{number:03}.jpg" for number in range(31)]
    put(any_bucket, names)
    images = manifest(any_bucket, names)
    assert all(images.version(name) for name in names) and len(asked) == 31


def test_a_folder_of_far_more_than_is_wanted_is_not_listed_to_its_end(bucket, asked):
    wanted = [f"{number:03}.jpg" for number in range(50)]
    late = [f"z{number:03}.jpg" for number in range(50)]
    put(bucket, [*wanted, *late, *(f"other-{number:04}.jpg" for number in range(2 * PAGE))])
    images = manifest(bucket, [*wanted, *late])
    assert all(images.version(name) for name in images.paths())
    assert [path.rpartition("/")[2] for path in asked] == late


class NoListing(Handler):
    """Does not let an account list what is in a bucket, only read it."""

    def do_GET(self):  # noqa: N802
        if self.path.partition("?")[0].endswith("/o"):
            self._answer(
                403, {"Content-Type": "application/json"}, b'{"error": {"code": 403, "message": "no listing"}}'
            )
        else:
            self.do()


def test_a_folder_that_can_not_be_listed(bucket, gcs_address, monkeypatch, asked, caplog):
    names = [f"{number:03}.jpg" for number in range(40)]
    fs, _ = put(bucket, names)
    with Proxy(gcs_address) as proxy:
        proxy.RequestHandlerClass = NoListing
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", proxy.url)
        fs.clear_instance_cache()
        images = manifest(bucket, names)
        with caplog.at_level(logging.INFO, "graft"):
            assert all(images.version(name) for name in names) and len(asked) == 40
        proxy.shutdown()
    assert caplog.text.count(f"{bucket} can't be read by this account") == 1
    assert f"Graft asks for every image in {bucket} by itself" in caplog.text
