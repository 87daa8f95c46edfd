"""What resolve was told of a source is not asked again by ingest, and what changed in between is noticed."""

import logging

import fsspec
import pyarrow as pa
import pytest
from awkward import facts, run_parts, step
from file_server import FileServer
from pictures import encoded, noise, record, rows, split_files
from proxy import Handler, Proxy
from web import in_a_thread

from graft.components.common import storage
from graft.components.common.artifacts.lists.source_listing import LISTING, SourceListing
from graft.components.common.parameters import Parameters
from graft.components.common.runs.run import Run
from graft.components.ingest.config import IngestConfig
from graft.components.ingest.dataset.previous_dataset import latest_dataset
from graft.components.ingest.ingest import ingest
from graft.components.ingest.kept.row_file import rows_folder
from graft.components.resolve.resolve import resolve

FILES = split_files()
CONFIG = IngestConfig(max_bad_fraction=0.2, leaks="keep")


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


class Listing(Handler):
    """Counts requests for listings of the photos, but not those that ask whether there are any."""

    def do(self):
        if "prefix=photos" in self.path and "max-keys=1&" not in self.path:
            self.server.listed.append(self.path)
        super().do()

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = do  # noqa: N815


@pytest.fixture
def listed(s3_address, s3_bucket, monkeypatch):
    """The requests for listings of the photos in a bucket."""
    fs = fsspec.filesystem("s3")
    fs.pipe({f"{s3_bucket}/photos/{path}": content for path, content in FILES.items()})
    fs.pipe_file(f"{s3_bucket}/photos/train/cats/notes.txt", b"of a user")
    with Proxy(s3_address) as proxy:
        proxy.RequestHandlerClass, proxy.listed = Listing, []
        monkeypatch.setenv("AWS_ENDPOINT_URL", proxy.url)
        fs.clear_instance_cache()
        yield proxy.listed
        proxy.shutdown()


def begin(source, run):
    """Resolves a source, and returns the digest."""
    config = '{"ingest": {"max_bad_fraction": 0.2}}'
    return resolve(Parameters(source=source, weights="random", store=run.store, config=config, force=True), run).digest


def test_a_bucket_is_listed_once_and_the_dataset_is_the_same(tmp_path, s3_bucket, listed):
    run, source = Run(f"{s3_bucket}/store", "pets", "run-1"), f"{s3_bucket}/photos"
    digest = begin(source, run)
    uri = f"{run.folder}/{LISTING}"
    assert len(listed) == 1 and storage.exists(uri)
    fsspec.filesystem("s3").pipe_file(f"{source}/train/cats/new.png", encoded(noise(99), "PNG"))
    ingest(source, tmp_path / "first", CONFIG, digest, run)
    assert len(listed) == 1 and not storage.exists(uri)
    assert {row["path"] for row in rows(tmp_path / "first")} == set(FILES), "what is new is the next run's"
    storage.delete(f"{source}/train/cats/new.png")
    ingest(source, tmp_path / "second", CONFIG, digest)
    assert len(listed) == 2
    first, second = record(tmp_path / "first"), record(tmp_path / "second")
    assert {key for key in first if first[key] != second[key]} <= {"created", "shards", "source_digest"}
    versions = {row["path"]: row["version"] for row in rows(tmp_path / "first")}
    assert versions == {row["path"]: row["version"] for row in rows(tmp_path / "second")} and all(versions.values())


def test_parts_read_the_listing_and_the_step_takes_it(tmp_path, s3_bucket, listed):
    run, source = Run(f"{s3_bucket}/store", "pets", "run-1"), f"{s3_bucket}/photos"
    digest = begin(source, run)
    uri = f"{run.folder}/{LISTING}"
    assert run_parts(source, run, 3, CONFIG, digest) == 3
    assert len(listed) == 1 and storage.exists(uri) and len(storage.list(rows_folder(run))) > 3
    first = step(source, tmp_path / "first", run, CONFIG, digest)
    assert len(listed) == 1 and not storage.exists(uri) and not storage.list(rows_folder(run))
    second = step(source, tmp_path / "second", config=CONFIG, digest=digest)
    assert facts(tmp_path / "first", first) == facts(tmp_path / "second", second)


def test_what_changed_or_went_since_is_taken_as_it_is(tmp_path, s3_bucket, listed):
    run, source = Run(f"{s3_bucket}/store", "pets", "run-1"), f"{s3_bucket}/photos"
    digest, fs = begin(source, run), fsspec.filesystem("s3")
    fs.pipe_file(f"{source}/train/cats/0.jpg", encoded(noise(98), "PNG"))
    fs.rm_file(f"{source}/train/dogs/0.jpg")
    ingest(source, tmp_path / "first", CONFIG, digest, run)
    found = {row["path"]: row for row in rows(tmp_path / "first")}
    assert set(found) == set(FILES) - {"train/dogs/0.jpg"} and found["train/cats/0.jpg"]["version"] == ""
    assert [(file["path"], file["reason"]) for file in record(tmp_path / "first")["excluded"]] == [
        ("train/dogs/0.jpg", "doesn't exist, or is no file")
    ]
    fs.pipe_file(f"{source}/train/cats/0.jpg", FILES["train/cats/0.jpg"])  # as it was when it was listed
    later = Run(run.store, "pets", "run-2")
    ingest(source, tmp_path / "second", CONFIG, begin(source, later), later, latest_dataset(later))
    again = {row["path"]: row for row in rows(tmp_path / "second")}
    assert (
        again["train/cats/0.jpg"]["sha256"] != found["train/cats/0.jpg"]["sha256"]
        and again["train/cats/0.jpg"]["version"]
    )


@pytest.mark.parametrize("harm", ["damaged", "cut short", "another source's", "another run's"])
def test_a_listing_that_cant_be_used_is_no_error(tmp_path, s3_bucket, listed, caplog, harm):
    run, source = Run(f"{s3_bucket}/store", "pets", "run-1"), f"{s3_bucket}/photos"
    digest = begin(source, run)
    uri, fs = f"{run.folder}/{LISTING}", fsspec.filesystem("s3")
    fs.pipe_file(f"{source}/train/cats/new.png", encoded(noise(99), "PNG"))
    content = bytearray(storage.read(uri))
    content[10] ^= 1
    if harm in ("damaged", "cut short"):
        storage.write(uri, bytes(content) if harm == "damaged" else bytes(content[:40]))
    fs.pipe(
        {f"{s3_bucket}/others/{path}": content for path, content in FILES.items()} if harm == "another source's" else {}
    )
    caplog.set_level(logging.INFO, logger="graft")
    taken = f"{s3_bucket}/others" if harm == "another source's" else source
    ingest(taken, tmp_path / "dataset", CONFIG, "0" * 64 if harm == "another run's" else digest, run)
    assert f"The source is listed anew, since {uri} can't be used: " in caplog.text
    assert len(rows(tmp_path / "dataset")) == len(FILES) + (taken == source)


@pytest.mark.parametrize("path", ["../secret.png", "cats/../../secret.png", "/etc/secret.png"])
def test_a_listing_leads_nowhere_else(tmp_path, path, caplog):
    caplog.set_level(logging.INFO, logger="graft")
    for paths, is_used in (([path], False), (["a..b/c.png", "x/..y"], True)):
        SourceListing.of((one, 1, "v") for one in paths).keep(str(tmp_path), "gs://a", "0")
        assert (SourceListing.take(str(tmp_path), "gs://a", "0") is not None) == is_used
    assert "leads out of the source" in caplog.text


def test_a_listing_whose_paths_are_no_text_is_not_used(tmp_path, caplog):
    caplog.set_level(logging.INFO, logger="graft")
    listing = SourceListing.of([("cats/x.png", 1, "v")])
    paths = pa.array([b"cats/\xff.png"])
    SourceListing(listing._table.set_column(0, "path", paths)).keep(str(tmp_path), "gs://a", "0")
    assert SourceListing.take(str(tmp_path), "gs://a", "0") is None
    assert "can't decode byte 0xff" in caplog.text


def test_images_on_a_web_server_are_asked_for_once_by_resolve_and_once_by_ingest(tmp_path):
    with in_a_thread(FileServer(encoded(noise(1), "PNG"))) as server:
        url = server.url.rpartition("/")[0]
        lines = [
            f"{url}/{number}.png,{'ab'[number % 2]},{'train' if number < 4 else 'validation'}" for number in range(6)
        ]
        (tmp_path / "manifest.csv").write_text("\n".join(["uri,label,split", *lines]))
        run = Run(str(tmp_path / "store"), "pets", "run-1")
        digest = begin(str(tmp_path / "manifest.csv"), run)
        assert len(server.paths) == 6
        ingest(str(tmp_path / "manifest.csv"), tmp_path / "dataset", CONFIG, digest, run)
        assert len(server.paths) == 12 and len(set(server.paths)) == 6
        assert all(row["version"] for row in rows(tmp_path / "dataset"))
        server.paths.clear()
        later = Run(run.store, "pets", "run-2")
        again = begin(str(tmp_path / "manifest.csv"), later)
        ingest(str(tmp_path / "manifest.csv"), tmp_path / "again", CONFIG, again, later, latest_dataset(later))
        assert len(server.paths) == 6 and record(tmp_path / "again")["reused"] == 6
