"""Downloads are whole, of one version, made once, and go on where they broke off; uploads are whole or not there."""

import contextlib
import hashlib
import logging
import os
import subprocess
import sys
import threading
from pathlib import Path

import fsspec
import pytest
from file_server import change, cut, file_server, reset

from graft.components.common import storage
from graft.components.common.errors import GraftError
from graft.components.common.storage.transfers import download_cache
from graft.components.common.storage.troubles import retries

CONTENT, OTHER = os.urandom(1_500_000), os.urandom(1_500_000)


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(retries, "PATIENCE", 0.8)
    monkeypatch.setattr(retries, "_FIRST_WAIT", 0.05)
    monkeypatch.setattr("graft.components.common.storage.transfers.download._PAUSE_SECONDS", 0.01)


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "graft" / "downloads"


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "folder").mkdir()
    return tmp_path / "folder"


def files(root):
    return (
        [path for path in root.rglob("*") if path.is_file() and path.name != "lock" and path.suffix != ".sha256"]
        if root.exists()
        else []
    )


def refusal(*arguments):
    with pytest.raises(GraftError) as refused:
        storage.fetch(*arguments)
    sentence = str(refused.value)
    assert sentence.endswith(".") and "\n" not in sentence and "secret" not in sentence
    return sentence


def test_a_local_file_stays_where_it_is(tmp_path):
    (tmp_path / "a").write_bytes(CONTENT)
    digest = hashlib.sha256(CONTENT).hexdigest()
    assert storage.fetch(str(tmp_path / "a"), tmp_path / "none", digest.upper()) == tmp_path / "a"
    assert f"has the SHA-256 {digest}, not {'0' * 64}" in refusal(str(tmp_path / "a"), tmp_path, "0" * 64)
    assert "doesn't exist" in refusal(str(tmp_path / "b"), tmp_path)


def test_what_has_no_version_is_downloaded_each_time_and_not_kept(folder, cache):
    fsspec.filesystem("memory").pipe("memory://test-transfer/b", b"there")
    fetched = storage.fetch("memory://test-transfer/b", folder)
    assert fetched == folder / "b" and fetched.read_bytes() == b"there"
    for etag in ("none", "weak"):
        with file_server(CONTENT, etag=etag) as server:
            for _ in range(2):
                assert storage.fetch(server.url, folder).read_bytes() == CONTENT
            assert server.asked == ["", ""]
    assert files(cache) == []


def test_a_name_is_cut_where_the_disk_would_refuse_it(folder, cache):
    """File systems count bytes, up to 255, and one letter may take four."""
    uri = f"memory://test-transfer/{'猫' * 100}.zip"
    fsspec.filesystem("memory").pipe(uri, b"there")
    fetched = storage.fetch(uri, folder)
    assert fetched.name == "猫" * 41 + ".zip" and fetched.read_bytes() == b"there"


def test_a_presigned_url_leaves_no_trace(folder, cache, caplog):
    caplog.set_level(logging.DEBUG, logger="graft")
    with file_server(CONTENT) as server:
        server.troubles = [503, reset(500_000)]
        url = f"{server.url}?signature=secret{'x' * 300}/y"
        fetched = storage.fetch(url, folder)
        assert storage.fetch(url, folder) == fetched
        server.troubles = [500] * 100
        refusal(url, folder)
    assert (fetched.name, fetched.read_bytes()) == ("photos.zip", CONTENT)
    assert "secret" not in str(files(cache)) and "secret" not in caplog.text
    assert "is in the cache" in caplog.text and "going on" in caplog.text and "trying again" in caplog.text


def test_it_is_downloaded_once_and_a_new_version_replaces_the_old_that_nobody_reads(folder, cache):
    with file_server(CONTENT) as server:
        with reader(server.url, folder) as first:
            server.content = OTHER
            with reader(server.url, folder) as second:
                assert (first.read_bytes(), second.read_bytes()) == (CONTENT, OTHER), "the first one is still read"
        server.content = b"third"
        assert [storage.fetch(server.url, folder).read_bytes() for _ in range(2)] == [b"third"] * 2
        assert server.asked == ["", "", ""]
    assert [path.read_bytes() for path in files(cache)] == [b"third"]
    assert files(folder) == []


@contextlib.contextmanager
def reader(url, folder):
    """Runs another process that has fetched a file and reads it; yields where."""
    program = "import sys; from pathlib import Path; from graft.components.common import storage; "
    program += "print(storage.fetch(sys.argv[1], Path(sys.argv[2])), flush=True); sys.stdin.read()"
    command = [sys.executable, "-c", program, url, str(folder)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        yield Path(process.stdout.readline().rstrip())


def test_a_changed_file_in_the_cache_is_downloaded_again(folder, cache, caplog):
    tampered = bytearray(CONTENT)
    tampered[1000] ^= 1
    with file_server(CONTENT) as server:
        fetched = storage.fetch(server.url, folder)
        status = fetched.stat()
        fetched.write_bytes(tampered)
        os.utime(fetched, ns=(status.st_atime_ns, status.st_mtime_ns))
        assert storage.fetch(server.url, folder).read_bytes() == CONTENT
        assert "photos.zip was changed after its download" in caplog.text and len(server.asked) == 2
        fetched.with_name("photos.zip.sha256").write_bytes(b"\xff")
        assert storage.fetch(server.url, folder).read_bytes() == CONTENT and len(server.asked) == 3


def test_an_untouched_file_in_the_cache_is_not_read_and_a_touched_one_once(folder, cache, monkeypatch):
    digest, reads = hashlib.sha256(CONTENT).hexdigest(), []
    read = download_cache.sha256_file
    monkeypatch.setattr(download_cache, "sha256_file", lambda file: reads.append(file) or read(file))
    with file_server(CONTENT) as server:
        server.troubles = [reset(700_000)]
        fetched = storage.fetch(server.url, folder, digest)
        assert storage.fetch(server.url, folder, digest) == storage.fetch(server.url, folder) == fetched and reads == []
        fetched.touch()
        assert storage.fetch(server.url, folder) == storage.fetch(server.url, folder, digest) == fetched
        assert reads == [fetched] and len(server.asked) == 2


@pytest.mark.parametrize("trouble", [reset, cut])
def test_it_goes_on_where_it_broke_off(folder, cache, trouble):
    with file_server(CONTENT) as server:
        server.troubles = [trouble(700_000), trouble(400_000)]
        assert storage.fetch(server.url, folder).read_bytes() == CONTENT
        assert server.asked[0] == "" and all(asked.startswith("bytes=") for asked in server.asked[1:])
        assert len(server.asked) == 3
    assert len(files(cache)) == 1


@pytest.mark.parametrize("options", [{"ranges": False}, {"etag": "none"}, {"etag": "weak"}])
def test_without_ranges_or_versions_it_begins_again(folder, cache, options):
    with file_server(CONTENT, **options) as server:
        server.troubles = [reset(700_000), reset(1_200_000)]
        assert storage.fetch(server.url, folder).read_bytes() == CONTENT
        assert len(server.asked) == 3


@pytest.mark.slow
def test_another_run_goes_on_with_what_an_earlier_one_left(folder, cache):
    with file_server(CONTENT) as server:
        server.troubles = [reset(700_000)] + [reset(0)] * 100
        assert "can't be reached" in refusal(server.url, folder)
        (part,) = files(cache)
        kept = part.stat().st_size
        assert part.suffix == ".part" and 0 < kept <= 700_000 and CONTENT.startswith(part.read_bytes())
        server.troubles, server.asked = [], []
        assert storage.fetch(server.url, folder).read_bytes() == CONTENT
        assert server.asked == [f"bytes={kept}-"]


@pytest.mark.slow
def test_a_part_of_an_older_version_is_not_gone_on_with(folder, cache):
    with file_server(CONTENT) as server:
        server.troubles = [reset(700_000)] + [reset(0)] * 100
        refusal(server.url, folder)
        server.troubles, server.asked, server.content = [], [], OTHER
        assert storage.fetch(server.url, folder).read_bytes() == OTHER
        assert server.asked == [""] and len(files(cache)) == 1


@pytest.mark.parametrize("how", ["in one body", "between two"])
def test_a_file_that_changes_while_it_is_read_is_never_stitched(folder, cache, how):
    with file_server(CONTENT) as server:
        server.troubles = [change(700_000, OTHER)]
        if how == "between two":

            def trouble(handler, content):
                handler.server.content = OTHER
                reset(700_000)(handler, content)

            server.troubles = [trouble]
        assert storage.fetch(server.url, folder).read_bytes() == OTHER
    assert len(files(cache)) == 1


def test_a_file_that_changes_and_changes_back_is_not_taken_for_what_it_was_meanwhile(folder, cache):
    with file_server(CONTENT) as server:

        def broken(handler, content):
            reset(700_000)(handler, content)
            handler.server.content = OTHER

        def whole(handler, content):
            handler.server.content = CONTENT
            handler.send(content)

        server.troubles = [broken, whole]
        assert storage.fetch(server.url, folder).read_bytes() == CONTENT


def test_a_file_without_versions_that_becomes_shorter_is_begun_again(folder, cache):
    with file_server(CONTENT, etag="none") as server:

        def trouble(handler, content):
            handler.server.content = b"short"
            reset(700_000)(handler, content)

        server.troubles = [trouble]
        assert storage.fetch(server.url, folder).read_bytes() == b"short"


def test_a_file_that_never_rests_is_refused(folder, cache):
    with file_server(CONTENT) as server:
        server.troubles = [change(700_000, new) for new in (OTHER, CONTENT, OTHER)]
        assert "photos.zip changed during each of 3 downloads" in refusal(server.url, folder)
    assert files(cache) == []


@pytest.mark.parametrize("status", [500, 502, 503, 504, 429, 408])
def test_passing_trouble_is_waited_for(folder, cache, status):
    with file_server(CONTENT) as server:
        server.troubles = [status] * 2
        assert storage.fetch(server.url, folder).read_bytes() == CONTENT


@pytest.mark.parametrize(
    ("status", "said"),
    [
        (404, "doesn't exist"),
        (410, "doesn't exist"),
        (401, "can't be read by this account"),
        (403, "can't be read by"),
        (400, "400"),
    ],
)
def test_lasting_trouble_is_not(folder, cache, status, said):
    with file_server(CONTENT) as server:
        server.troubles = [status] * 10
        assert said in refusal(f"{server.url}?secret", folder)
        assert len(server.paths) == 1
    assert files(cache) == files(folder) == []


def test_nobody_waits_for_an_unknown_host(folder, cache):
    assert "can't be reached" in refusal("http://no-such-host.invalid/photos.zip?secret", folder)


def test_a_server_that_is_gone_is_given_up(folder, cache):
    with file_server(CONTENT) as server:
        url = server.url
    assert "can't be reached" in refusal(f"{url}?secret", folder)


def test_an_empty_file(folder, cache):
    with file_server(b"") as server:
        assert storage.fetch(server.url, folder).read_bytes() == b""


def test_another_sha256_is_refused_and_not_kept(folder, cache):
    digest = hashlib.sha256(CONTENT).hexdigest()
    with file_server(CONTENT) as server:
        assert f"photos.zip has the SHA-256 {digest}, not {'0' * 64}" in refusal(server.url, folder, "0" * 64)
        assert files(cache) == []
        fetched = storage.fetch(server.url, folder, digest)
        damaged = bytearray(CONTENT)
        damaged[1000] ^= 1
        fetched.write_bytes(damaged)
        assert storage.fetch(server.url, folder, digest).read_bytes() == CONTENT
        fetched.write_bytes(b"cut off")
        assert storage.fetch(server.url, folder).read_bytes() == CONTENT
        assert len(server.asked) == 4


def test_several_at_once_into_one_folder_do_not_meet(folder, cache):
    fetched = []
    with file_server(CONTENT, speed=5_000_000) as server:

        def download():
            fetched.append(storage.fetch(server.url, folder, keep=False).read_bytes())

        threads = [threading.Thread(target=download) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert fetched == [CONTENT] * 4
    assert [path.name for path in folder.iterdir()] == ["photos.zip"] and files(cache) == []


def test_several_at_once_download_it_once(folder, cache):
    fetched = []
    with file_server(CONTENT, speed=5_000_000) as server:
        threads = [
            threading.Thread(target=lambda: fetched.append(storage.fetch(server.url, folder).read_bytes()))
            for _ in range(4)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert server.asked == [""]
    assert fetched == [CONTENT] * 4


@pytest.mark.parametrize("home", ["/", "a file", "somebody else's"])
def test_without_a_cache_it_works_and_says_so(tmp_path, folder, monkeypatch, caplog, home):
    caplog.set_level(logging.INFO, logger="graft")
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    (tmp_path / "a file").touch()
    monkeypatch.setenv("HOME", home if home == "/" else str(tmp_path / home))
    if home == "somebody else's":
        uid = os.getuid()
        monkeypatch.setattr(os, "getuid", lambda: uid + 1)
    with file_server(CONTENT) as server:
        server.troubles = [reset(700_000)]
        assert storage.fetch(server.url, folder) == folder / "photos.zip"
        assert server.asked[1].startswith("bytes=")
    assert (folder / "photos.zip").read_bytes() == CONTENT
    assert "Downloads are not kept for the next run" in caplog.text


@pytest.mark.parametrize("kind", ["local", "memory"])
def test_upload_replaces_what_was_there(tmp_path, kind):
    uri = f"{tmp_path}/a/b/file.bin" if kind == "local" else "memory://test-upload/a/b/file.bin"
    for content in (CONTENT, b"second"):
        (tmp_path / "file").write_bytes(content)
        storage.put(tmp_path / "file", uri)
        fs, path = fsspec.core.url_to_fs(uri)
        assert fs.cat_file(path) == content
        assert len(fs.ls(path.rpartition("/")[0])) == 1


def test_an_upload_that_fails_leaves_nothing_behind(tmp_path):
    (tmp_path / "there" / "file.bin").mkdir(parents=True)
    (tmp_path / "file").write_bytes(CONTENT)
    with pytest.raises(GraftError, match=r"file\.bin can't be reached"):
        storage.put(tmp_path / "file", str(tmp_path / "there" / "file.bin"))
    assert [path.name for path in (tmp_path / "there").iterdir()] == ["file.bin"]
