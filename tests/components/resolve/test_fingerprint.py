"""A source's fingerprint is the same for the same content, and another for any other."""

import os
import shutil
import uuid

import fsspec
import pytest
from file_server import file_server

from graft.components.common.errors import GraftError
from graft.components.common.storage.troubles import retries
from graft.components.resolve.fingerprint import fingerprint

FILES = {"cats/a.jpg": b"cat", "dogs/b [1]*?.jpg": b"dog", "dogs/sub/🐈 \udcff\n.jpg": b"puppy"}


@pytest.fixture(params=["local", "remote"])
def source(request, tmp_path):
    """A folder as a URI, with a function that writes or removes a file in it."""
    if request.param == "local":
        root = tmp_path / "source"

        def put(path, content):
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            (root / path).write_bytes(content) if content is not None else (root / path).unlink()

    else:
        root, memory = f"memory://{uuid.uuid4().hex}", fsspec.filesystem("memory")

        def put(path, content):
            memory.pipe(f"{root}/{path}", content) if content is not None else memory.rm_file(f"{root}/{path}")

    for path, content in FILES.items():
        put(path, content)
    return str(root), put


@pytest.mark.parametrize(
    "change",
    [{"cats/a.jpg": b"CAT"}, {"cats/a.jpg": None}, {"cats/a.jpg": None, "cats/c.jpg": b"cat"}, {"cats/c.jpg": b"cat"}],
    ids=["content", "removed", "renamed", "added"],
)
def test_changes_with_content_and_names(source, change):
    uri, put = source
    before = fingerprint(uri)
    for path, content in change.items():
        put(path, content)
    changed = fingerprint(uri)
    assert changed != before and len(changed) == 64
    for path, content in change.items():
        put(path, FILES.get(path)) if path in FILES or content is not None else None
    assert fingerprint(uri) == before == fingerprint(f"{uri}/")


def test_dates_and_places_do_not_matter(source, tmp_path):
    uri, _ = source
    for path, content in FILES.items():
        (tmp_path / "copy" / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "copy" / path).write_bytes(content)
        os.utime(tmp_path / "copy" / path, (0, 0))
    assert fingerprint(str(tmp_path / "copy")) == fingerprint((tmp_path / "copy").as_uri()) == fingerprint(uri)


def test_the_same_content_uploaded_again_is_no_change(bucket):
    fs = fsspec.filesystem("gs")
    for path, content in {"cats/a.jpg": b"cat", "dogs/b.jpg": b"dog"}.items():
        fs.pipe_file(f"{bucket}/photos/{path}", content)
    before, generation = fingerprint(f"{bucket}/photos"), fs.info(f"{bucket}/photos/cats/a.jpg")["generation"]
    fs.pipe_file(f"{bucket}/photos/cats/a.jpg", b"cat")
    fs.invalidate_cache()
    assert fs.info(f"{bucket}/photos/cats/a.jpg")["generation"] != generation
    assert fingerprint(f"{bucket}/photos") == before
    fs.pipe_file(f"{bucket}/photos/cats/a.jpg", b"CAT")
    assert fingerprint(f"{bucket}/photos") != before


def test_an_archive(tmp_path):
    (tmp_path / "a.zip").write_bytes(b"content")
    shutil.copy(tmp_path / "a.zip", tmp_path / "b.zip")
    assert fingerprint(str(tmp_path / "a.zip")) == fingerprint(str(tmp_path / "b.zip"))
    (tmp_path / "b.zip").write_bytes(b"other")
    assert fingerprint(str(tmp_path / "a.zip")) != fingerprint(str(tmp_path / "b.zip"))


@pytest.mark.parametrize("uri", ["nowhere", "file:///nope", "memory://nope", "http://user:secret@127.0.0.1:1/?secret"])
def test_missing_sources_are_refused_without_secrets(tmp_path, monkeypatch, uri):
    monkeypatch.setattr(retries, "PATIENCE", 0.5)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(GraftError) as refused:
        fingerprint(uri)
    assert "secret" not in str(refused.value)


def test_empty_and_endless_folders_are_refused_and_pipes_passed_over(tmp_path):
    with pytest.raises(GraftError, match="has no images in class folders"):
        fingerprint(str(tmp_path))
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "broken").symlink_to("nowhere")
    (tmp_path / "cats").mkdir()
    (tmp_path / "cats" / "file").write_bytes(b"x")
    assert fingerprint(str(tmp_path))
    (tmp_path / "loop").symlink_to(tmp_path)
    with pytest.raises(GraftError, match="is a link to a folder that it is in"):
        fingerprint(str(tmp_path))


def test_a_file_that_ingest_would_leave_out_refuses_no_source(tmp_path):
    (tmp_path / "cats").mkdir()
    (tmp_path / "cats" / "file.jpg").write_bytes(b"x")
    before = fingerprint(str(tmp_path))
    (tmp_path / "cats" / "damaged.jpg").symlink_to(
        "/proc/self/mem"
    )  # gives an input/output error, as a damaged disk does
    damaged = fingerprint(str(tmp_path))
    assert before != damaged == fingerprint(str(tmp_path))
    (tmp_path / "cats" / "damaged.jpg").unlink()
    (tmp_path / "cats" / "damaged.jpg").write_bytes(b"mended")
    assert fingerprint(str(tmp_path)) not in (before, damaged)


def test_a_manifest_changes_with_the_images_that_it_names(tmp_path):
    for name in ("a", "b"):
        (tmp_path / f"{name}.jpg").write_bytes(name.encode())
    (tmp_path / "m.csv").write_text("uri,label\na.jpg,a\nb.jpg,b\n")
    before = fingerprint(str(tmp_path / "m.csv"))
    assert fingerprint(str(tmp_path / "m.csv")) == before
    (tmp_path / "b.jpg").write_bytes(b"B")
    assert fingerprint(str(tmp_path / "m.csv")) != before


@pytest.mark.parametrize("etag", ["strong", "weak", "none"])
def test_an_archive_on_a_web_server_changes_with_its_bytes(etag):
    with file_server(b"cat", etag=etag) as server:
        before = fingerprint(server.url)
        assert fingerprint(server.url) == before
        server.content = b"CAT"
        assert fingerprint(server.url) != before


@pytest.mark.parametrize("etag", ["strong", "weak", "none"])
def test_a_manifest_changes_with_images_of_which_the_server_tells_no_version(tmp_path, etag):
    with file_server(b"cat", etag=etag) as server:
        (tmp_path / "dog.jpg").write_bytes(b"dog")
        (tmp_path / "m.csv").write_text(f"uri,label\n{server.url},cats\ndog.jpg,dogs\n")
        before = fingerprint(str(tmp_path / "m.csv"))
        assert fingerprint(str(tmp_path / "m.csv")) == before
        server.content = b"CAT"
        assert fingerprint(str(tmp_path / "m.csv")) != before
