"""Paths and URIs: found or refused in one sentence, without the secrets they hold."""

import errno
import os
import shutil
import stat
import subprocess
import sys
import tempfile
import threading
from contextlib import nullcontext
from pathlib import Path

import fsspec
import pytest
from file_server import file_server
from fsspec.spec import AbstractFileSystem

from graft.components.common import storage
from graft.components.common.errors import GraftError
from graft.components.common.storage.troubles import retries


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
        ("s3://user:secret@bucket/a #1?.jpg", "s3://bucket/a #1?.jpg"),
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
        storage.stat("http://127.0.0.1:1/x.zip?token=secret")
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


def test_what_is_written_is_flushed_and_so_are_the_folders_that_are_new(tmp_path, monkeypatch):
    flushed, fsync = [], os.fsync

    def recorded(file):
        flushed.append(str(Path(f"/proc/self/fd/{file}").readlink()))
        fsync(file)

    monkeypatch.setattr(os, "fsync", recorded)
    (tmp_path / "source").write_bytes(b"content")
    for write in (
        lambda uri: storage.write(uri, b"content"),
        lambda uri: storage.put(tmp_path / "source", uri),
        lambda uri: storage.swap(uri, storage.Seen(None), b"content"),
    ):
        flushed.clear()
        folder = Path(tempfile.mkdtemp(dir=tmp_path)) / "new" / "newer"
        write(str(folder / "file.bin"))
        *made, file, above = flushed
        assert made == [str(folder.parents[1]), str(folder.parent)]
        assert file.startswith(f"{folder}/.file.bin.") and file.endswith(".part") and above == str(folder)
        assert (folder / "file.bin").read_bytes() == b"content"


@pytest.mark.parametrize(("refused", "works"), [(errno.EINVAL, True), (errno.EIO, False)])
def test_a_drive_that_flushes_no_folders_is_written_to(tmp_path, monkeypatch, refused, works):
    flush = os.fsync

    def refuse_folders(opened):
        if stat.S_ISDIR(os.fstat(opened).st_mode):
            raise OSError(refused, os.strerror(refused))
        flush(opened)

    monkeypatch.setattr(os, "fsync", refuse_folders)
    with nullcontext() if works else pytest.raises(GraftError, match="Input/output error"):
        storage.write(str(tmp_path / "file"), b"whole")
    assert (tmp_path / "file").read_bytes() == b"whole"


@pytest.mark.parametrize(("etag", "told"), [("strong", True), ("weak", False), ("none", False)])
def test_a_version_changes_with_the_bytes_or_there_is_none(etag, told):
    with file_server(b"cat", etag=etag) as server:
        before = storage.version(server.url)
        assert bool(before) == told and storage.version(server.url) == before
        server.content = b"CAT"
        assert bool(storage.version(server.url)) == told and (storage.version(server.url) != before) == told


@pytest.mark.parametrize(
    ("status", "kind", "reason"),
    [
        (404, storage.MissingError, "doesn't exist, or is no file"),
        (410, storage.MissingError, "doesn't exist, or is no file"),
        (401, storage.FileError, "can't be read by this account"),
        (403, storage.FileError, "can't be read by this account"),
        (418, storage.FileError, "can't be read (HTTP status 418)"),
    ],
)
@pytest.mark.parametrize("verb", [storage.stat, storage.read, lambda uri: storage.read(uri, 10), storage.version])
def test_a_file_that_a_web_server_refuses(verb, status, kind, reason):
    with file_server(b"cat") as server:
        server.troubles = [status] * 10
        with pytest.raises(kind) as refused:
            verb(f"{server.url}?secret")
        assert refused.value.reason == reason and str(refused.value).startswith(f"{server.url} ")
        assert "secret" not in str(refused.value)


def test_an_empty_object_is_read_as_such(any_bucket):
    storage.write(f"{any_bucket}/empty", b"")
    assert storage.read(f"{any_bucket}/empty") == storage.read(f"{any_bucket}/empty", 10) == b""


def test_a_file_is_as_it_was_told_also_where_its_size_comes_with_a_part_alone():
    with file_server(b"cat", sized=False) as server:
        told = storage.version(server.url)
        assert told.startswith("3-") and storage.read_as(server.url, told, 10) == (b"cat", told)
        server.content = b"dog"
        content, version = storage.read_as(server.url, told, 10)
        assert content == b"dog" and version not in (told, "")


@pytest.mark.parametrize("kind", ["local", "memory", "zip"])
def test_what_is_listed_can_be_read(tmp_path, kind):
    contents = {"a.jpg": b"a", "deeper/b::c #?.jpg": b"bc", "deeper/still/~d": b"", "x.jpg": b"x"}
    for path, content in contents.items():
        uri = f"memory://test-listed/{path}" if kind == "memory" else str(tmp_path / "folder" / path)
        storage.write(uri, content) if "::" not in path or kind != "memory" else None
    folder = {
        "local": str(tmp_path / "folder"),
        "memory": "memory://test-listed/",
        "zip": f"zip://::{tmp_path}/folder.zip",
    }
    if kind != "local":
        del contents["deeper/b::c #?.jpg"]  # of a chain of URIs the part before "::" is one
    shutil.make_archive(str(tmp_path / "folder"), "zip", tmp_path / "folder") if kind == "zip" else None
    listed = {file.path: file for file in storage.list(folder[kind]) if file.path in contents}
    assert {path: (storage.read(file.uri), file.size) for path, file in listed.items()} == {
        path: (content, len(content)) for path, content in contents.items()
    }
    with storage.open(listed["a.jpg"].uri) as file:
        assert file.read() == b"a"


@pytest.mark.slow
def test_clients_say_nothing_of_their_own_on_a_users_terminal(any_bucket):
    command = [Path(sys.executable).with_name("graft"), "registry", "list", "--store", f"{any_bucket}/store"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.stdout + done.stderr == f"graft: {any_bucket}/store doesn't exist: check the path or URI.\n"


def test_names_in_buckets_may_hold_anything(tmp_path, any_bucket):
    names = ["a::b.jpg", "deeper/x #1?.jpg", "deeper/ü::y/z.jpg"]
    for name in names:
        storage.write(f"{any_bucket}/photos/{name}", name.encode())
    found = {file.path: file for file in storage.list(f"{any_bucket}/photos")}
    assert sorted(found) == sorted(names)
    for name, file in found.items():
        assert storage.read(file.uri).decode() == name and storage.version(file.uri) == file.version
        assert file.written_at == storage.stat(file.uri).written_at
    storage.delete_folder(f"{any_bucket}/photos")
    assert storage.list(f"{any_bucket}/photos") == []


class Unlistable(AbstractFileSystem):
    """A file system with a folder that can't be listed."""

    protocol = "unlistable"

    def ls(self, path, detail=True, **_):
        if path.endswith("closed"):
            raise PermissionError(path)
        return [{"name": f"{path}/closed", "type": "directory", "size": 0}]


def test_a_folder_that_can_not_be_listed_is_not_passed_over():
    fsspec.register_implementation("unlistable", Unlistable)
    with pytest.raises(GraftError, match="unlistable://x can't be read by this account"):
        storage.list("unlistable://x")


@pytest.mark.parametrize("kind", ["local", "memory"])
def test_a_folder_is_deleted_with_all_that_is_in_it(tmp_path, kind):
    folder = str(tmp_path / "folder") if kind == "local" else "memory://test-delete/folder"
    for name in ("a", "b/c"):
        storage.write(f"{folder}/{name}", b"")
    storage.delete(f"{folder}/a")
    storage.delete(f"{folder}/a")  # another process was first
    assert [file.path for file in storage.list(folder)] == ["b/c"]
    storage.delete_folder(folder)
    storage.delete_folder(folder)
    assert storage.list(folder) == [] and not (tmp_path / "folder").exists()


def test_nobody_waits_for_a_pipe(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(storage.FileError, match="is a pipe, a socket or a device"):
        storage.read(str(tmp_path / "pipe"))
    assert storage.list(str(tmp_path)) == []


def test_walk(tmp_path):
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "a" / "b" / "file").touch()
    (tmp_path / "same").symlink_to("a")
    (tmp_path / "a" / "empty").mkdir()

    def found(*left_out):
        walked = storage.walk(tmp_path, lambda folder: folder.name in left_out)
        return {(str(path.relative_to(tmp_path)), is_folder) for path, is_folder in walked}

    files = {("a/b/file", False), ("same/b/file", False)}
    assert found() == files | {("a/empty", True), ("same/empty", True)}
    assert found("same", "empty") == {("a/b/file", False), ("a/empty", True), ("same", True)}
    (tmp_path / "a" / "b" / "loop").symlink_to(tmp_path)
    with pytest.raises(GraftError, match="loop is a link to a folder that it is in"):
        list(storage.walk(tmp_path))
    told = []
    walked = storage.walk(tmp_path, refused=lambda *refused: told.append(refused))
    assert {str(path.relative_to(tmp_path)) for path, is_folder in walked if not is_folder} == {
        "a/b/file",
        "same/b/file",
    }
    assert {(folder.name, error.reason) for folder, error in told} == {("loop", "is a link to a folder that it is in")}


def test_links_that_lead_nowhere_are_in_no_listing(tmp_path):
    (tmp_path / "itself").symlink_to("itself")
    (tmp_path / "nothing").symlink_to("nowhere")
    (tmp_path / "file").touch()
    assert [file.path for file in storage.list(str(tmp_path))] == ["file"]


@pytest.mark.skipif(not Path("/proc/self/mem").exists(), reason="needs a file that can't be read, as on a damaged disk")
def test_a_file_that_a_damaged_disk_does_not_give_is_the_only_one_at_fault():
    with pytest.raises(storage.FileError) as refused:
        storage.read("/proc/self/mem")
    assert refused.value.reason == "can't be read from its disk (input/output error)"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_walk_refuses_a_folder_that_it_can_not_list(tmp_path):
    (tmp_path / "closed").mkdir(mode=0)
    with pytest.raises(GraftError, match="closed can't be read"):
        list(storage.walk(tmp_path))


def test_a_scheme_that_nobody_knows():
    with pytest.raises(GraftError, match=r"^gs2://bucket/photos can't be opened \(.*gs2.*\): use a path, gs://"):
        storage.read("gs2://bucket/photos?key=secret")


def test_a_folder_is_renamed_unless_something_is_in_the_way(tmp_path):
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "file").write_text(name)
    (tmp_path / "file").write_text("a file")
    assert storage.rename_folder(tmp_path / "one", tmp_path / "three")
    assert (tmp_path / "three/file").read_text() == "one" and not (tmp_path / "one").exists()
    for taken in ("three", "file"):
        assert not storage.rename_folder(tmp_path / "two", tmp_path / taken)
    assert (tmp_path / "two/file").read_text() == "two"
    with pytest.raises(storage.MissingError):
        storage.rename_folder(tmp_path / "one", tmp_path / "four")
    with pytest.raises(storage.MissingError):
        storage.rename_folder(tmp_path / "two", tmp_path / "nowhere/two")
