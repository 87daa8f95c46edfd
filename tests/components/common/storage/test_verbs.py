"""Paths and URIs: found or refused in one sentence, without the secrets they hold."""

import os
import threading

import fsspec
import pytest

from graft.components.common import storage
from graft.components.common.errors import GraftError
from graft.components.common.storage import retries


@pytest.mark.parametrize(
    ("uri", "shown"),
    [
        ("https://user:secret@host/a.zip?token=secret#secret", "https://host/a.zip"),
        ("https://user@host:8080/a@b.zip", "https://host:8080/a@b.zip"),
        ("https://host?secret", "https://host"),
        ("zip://*.jpg::https://user:secret@host/a.zip?secret", "zip://*.jpg::https://host/a.zip"),
        ("simplecache::https://user:secret@host/a.zip", "simplecache::https://host/a.zip"),
        ("https://[broken/a?secret", "https://[broken/a"),
        ("gs://bucket/a", "gs://bucket/a"),
        ("/home/me/what?#@.zip", "/home/me/what?#@.zip"),
    ],
)
def test_redact(uri, shown):
    assert storage.redact(uri) == shown


@pytest.mark.parametrize(
    "uri", ["nowhere", "file:///nowhere", "memory://nowhere", "unknown://user:secret@x?secret", "::"]
)
def test_what_is_not_there_is_refused(tmp_path, monkeypatch, uri):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(GraftError) as refused:
        storage.stat(uri)
    assert str(refused.value).startswith(storage.redact(uri)) and "secret" not in str(refused.value)


def test_an_unreachable_server_is_refused_without_secrets(monkeypatch):
    monkeypatch.setattr(retries, "PATIENCE", 0.5)
    with pytest.raises(GraftError) as refused:
        storage.stat("http://user:secret@127.0.0.1:1/x.zip?token=secret")
    assert str(refused.value).startswith("http://127.0.0.1:1/x.zip")
    assert "secret" not in str(refused.value)


@pytest.mark.parametrize("kind", ["local", "memory"])
def test_write_makes_folders_and_replaces_what_was_there(tmp_path, kind):
    folder = str(tmp_path) if kind == "local" else "memory://test-write"
    for content in (b"first and longer", b"second"):
        storage.write(f"{folder}/a/b/file.bin", content)
        fs, path = fsspec.core.url_to_fs(f"{folder}/a/b")
        assert [fs.cat_file(name) for name in fs.find(path)] == [content]


def test_a_write_that_fails_leaves_nothing_behind(tmp_path):
    (tmp_path / "file.bin").mkdir()
    with pytest.raises(GraftError, match=r"file\.bin can't be reached"):
        storage.write(str(tmp_path / "file.bin"), b"content")
    assert [path.name for path in tmp_path.iterdir()] == ["file.bin"]


def test_a_reader_never_sees_a_part_of_a_file(tmp_path):
    uri, sizes, content = str(tmp_path / "file.bin"), set(), bytes(10**7)
    storage.write(uri, content)

    def write():
        for _ in range(20):
            storage.write(uri, content)

    writer = threading.Thread(target=write)
    writer.start()
    while writer.is_alive():
        sizes |= {file.size for file in storage.list(str(tmp_path)) if file.name == "file.bin"}
    writer.join()
    assert sizes == {10**7}


def test_walk(tmp_path):
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "a" / "b" / "file").touch()
    (tmp_path / "same").symlink_to("a")
    found = {str(path.relative_to(tmp_path)) for path in storage.walk(tmp_path)}
    assert found == {"a/b/file", "same/b/file"}
    (tmp_path / "a" / "b" / "loop").symlink_to(tmp_path)
    with pytest.raises(GraftError, match="loop is a link to a folder that it is in"):
        list(storage.walk(tmp_path))


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_walk_refuses_a_folder_that_it_can_not_list(tmp_path):
    (tmp_path / "closed").mkdir(mode=0)
    with pytest.raises(GraftError, match="closed can't be read"):
        list(storage.walk(tmp_path))


def test_a_scheme_that_nobody_knows():
    with pytest.raises(GraftError, match=r"^gs2://bucket/photos can't be opened \(.*gs2.*\): use a path, gs://"):
        storage.read("gs2://bucket/photos?key=secret")
