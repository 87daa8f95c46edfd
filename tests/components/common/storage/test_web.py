"""Web servers that mean harm: what they send is bounded, and they lead nowhere that the operator didn't name."""

import gzip
import time

import pytest
from hostile_web import (
    BOMB,
    MIB,
    PeakMemory,
    bomb,
    bomb_part,
    endless,
    endless_part,
    endless_redirect,
    hostile_server,
    huge,
    whole,
)

from graft.components.common import storage
from graft.components.common.errors import GraftError
from graft.components.common.storage.troubles import retries
from graft.components.common.storage.web import addresses, client, deadlines
from graft.components.ingest.source import image_files
from graft.components.ingest.source.image_files import UnreadableFileError, read_file


@pytest.fixture(autouse=True)
def quick(monkeypatch, tmp_path):
    monkeypatch.setattr(retries, "PATIENCE", 0.3)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.mark.parametrize("answer", [endless, endless_part, bomb, bomb_part, huge])
def test_an_image_without_end_is_one_bad_file(monkeypatch, answer):
    monkeypatch.setattr(image_files, "MAX_FILE_BYTES", 2 * MIB)
    with hostile_server(x=answer) as server:
        memory = PeakMemory()
        with pytest.raises(UnreadableFileError, match="is larger than"):
            read_file(f"{server.url}/x")
        assert memory.grown() < 32 * MIB and server.sent < 48 * MIB


@pytest.mark.parametrize("answer", [endless, bomb, huge])
def test_so_is_a_record(monkeypatch, answer):
    monkeypatch.setattr("graft.components.common.storage.web.file_system.MOST", 2 * MIB)
    with hostile_server(x=answer) as server:
        memory = PeakMemory()
        for verb in (storage.read, read_opened):
            with pytest.raises(storage.FileError, match="is larger than 2 MiB"):
                verb(f"{server.url}/x")
        assert memory.grown() < 32 * MIB and server.sent < 64 * MIB


@pytest.mark.parametrize("piece", [b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 200 OK\r\nX: y", b"y"])
def test_headers_without_end_end(monkeypatch, piece):
    monkeypatch.setattr(deadlines, "HEADER_SECONDS", 0.5)

    check_that_it_ends(piece)


def check_that_it_ends(piece, begin=b""):
    """Reads a file from a server that sends a piece of its answer ten times a second, for minutes."""

    def answer(handler):
        handler.wfile.write(begin)
        for _ in range(2000):
            handler.wfile.write(piece)
            time.sleep(0.1)

    with hostile_server(x=answer) as server:
        start = time.monotonic()
        with pytest.raises(GraftError, match="can't be reached|took longer"):
            storage.read(f"{server.url}/x")
        assert time.monotonic() - start < 60


BODIES = {
    "trailers": ("Transfer-Encoding: chunked", b"1\r\nx\r\n0\r\n", b"X: y\r\n"),
    "a chunk's size": ("Transfer-Encoding: chunked", b"1;", b"x"),
    "deflated nothing": ("Content-Encoding: deflate", b"", b"\0\0\0\xff\xff"),
    "a byte now and then": ("X: y", b"", b"x"),
}


@pytest.mark.parametrize(("header", "begin", "piece"), BODIES.values(), ids=BODIES)
def test_a_body_without_end_ends(monkeypatch, header, begin, piece):
    monkeypatch.setattr(client, "CONTENT_SECONDS", 0.5)

    check_that_it_ends(piece, f"HTTP/1.1 200 OK\r\n{header}\r\nConnection: close\r\n\r\n".encode() + begin)


def test_a_local_file_that_is_too_large_is_not_read(tmp_path):
    with (tmp_path / "x.jpg").open("wb") as file:
        file.truncate(3 * 2**30)
    memory = PeakMemory()
    with pytest.raises(UnreadableFileError, match="is larger than 256 MiB"):
        read_file(str(tmp_path / "x.jpg"))
    assert memory.grown() < 32 * MIB


def test_a_download_without_end_ends(tmp_path, monkeypatch):
    monkeypatch.setattr("graft.components.common.storage.transfers.download.MAX_UNTOLD", 2 * MIB)
    with hostile_server(x=endless, huge=huge, bomb=bomb) as server:
        with pytest.raises(GraftError, match="its server doesn't tell how many"):
            storage.fetch(f"{server.url}/x", tmp_path)
        with pytest.raises(GraftError, match="doesn't fit on the disk"):
            storage.fetch(f"{server.url}/huge", tmp_path)
        assert storage.fetch(f"{server.url}/bomb", tmp_path).read_bytes() == BOMB  # as it was sent
        assert server.sent < 48 * MIB
    assert [path.name for path in tmp_path.rglob("*") if path.is_file() and path.name != "lock"] == ["bomb"]


def test_a_file_that_comes_in_drops_is_given_up(monkeypatch):
    def drops(handler):
        handler.start(200, {"Content-Length": "1000000"})
        for _ in range(2000):
            handler.wfile.write(b"x")
            time.sleep(0.1)

    monkeypatch.setattr("graft.components.common.storage.web.client.CONTENT_SECONDS", 0.3)
    with hostile_server(x=drops) as server:
        before = time.monotonic()
        with pytest.raises(GraftError, match="it took longer than"):
            storage.read(f"{server.url}/x")
        assert time.monotonic() - before < 60


def test_an_answer_longer_than_announced_is_none(tmp_path, monkeypatch):
    def longer(handler):
        handler.start(206, {"Transfer-Encoding": "chunked", "Content-Range": "bytes 0-99/1000"})
        handler.send_without_end()

    with hostile_server(x=longer) as server:
        with pytest.raises(GraftError, match="arrived at another length than announced"):
            storage.fetch(f"{server.url}/x", tmp_path)
        assert server.sent < 48 * MIB


def test_what_is_packed_on_its_way_is_unpacked_and_what_can_not_be_is_one_bad_file():
    packed = {"Content-Encoding": "gzip"}
    with hostile_server(good=whole(gzip.compress(b"text"), **packed), bad=whole(b"no gzip", **packed)) as server:
        assert storage.read(f"{server.url}/good", 10) == b"text"
        with storage.open(f"{server.url}/good") as file:
            assert file.read() == b"text"
        with pytest.raises(storage.FileError, match="can't be unpacked"):
            storage.read(f"{server.url}/bad", 10)


def read_opened(uri, **how):
    with storage.open(uri, **how) as file:
        return file.read()


def verbs(tmp_path):
    return (
        storage.read,
        lambda uri, **how: storage.read(uri, 100, **how),
        lambda uri, **how: storage.fetch(uri, tmp_path, **how).read_bytes(),
        read_opened,
        storage.version,
        storage.stat,
    )


def test_a_redirect_leads_to_no_private_address(tmp_path):
    with hostile_server() as inside, hostile_server(same="/file", loop="/loop") as server:
        server.answers["/x"] = f"{inside.url}/secret"
        server.answers["/endless"] = endless_redirect(f"{inside.url}/secret")
        server.answers["/mapped"] = f"http://[::ffff:127.0.0.1]:{inside.server_port}/secret"
        server.answers["/local"] = "file:///etc/passwd"
        for verb in verbs(tmp_path):
            for path in ("x", "endless", "mapped"):
                with pytest.raises(
                    storage.FileError, match="leads to .*127.0.0.1, which is no public address"
                ) as refused:
                    verb(f"{server.url}/{path}")
                assert "--allow-private-addresses" in str(refused.value)
            with pytest.raises(GraftError, match="No connection adapters"):
                verb(f"{server.url}/local")
            with pytest.raises(GraftError, match="more than 10 redirects"):
                verb(f"{server.url}/loop")
            assert inside.asked == [] and verb(f"{server.url}/same") is not None
        assert server.sent < 64 * MIB
        for verb in verbs(tmp_path):
            inside.asked.clear()
            verb(f"{server.url}/x", reach=storage.Reach.ANY)
            assert set(inside.asked) == {"/secret"}


def test_what_others_name_is_at_a_public_address(tmp_path):
    with hostile_server() as inside:
        for host in ("127.0.0.1", "localhost", "2130706433", "0x7f.1", "0.0.0.0"):
            url = f"http://{host}:{inside.server_port}/secret"
            for verb in verbs(tmp_path):
                with pytest.raises(storage.FileError, match="which is no public address"):
                    verb(url, reach=storage.Reach.PUBLIC)
        assert inside.asked == []


def test_a_name_that_is_turned_against_this_machine_is_not_followed(monkeypatch):
    with hostile_server() as inside:
        assert storage.read(f"{inside.url}/file") == b"here"
        monkeypatch.setattr(addresses, "_PUBLIC_BEFORE", {("localhost", inside.server_port)})
        with pytest.raises(storage.FileError, match="which is no public address"):
            storage.read(f"http://localhost:{inside.server_port}/file")
        assert inside.asked == ["/file"]


@pytest.mark.parametrize(
    ("address", "public"),
    [
        *((address, True) for address in ("8.8.8.8", "2001:4860:4860::8888", "::ffff:8.8.8.8", "64:ff9b::808:808")),
        *(
            (address, False)
            for address in ("127.0.0.1", "127.8.0.1", "0.0.0.0", "10.1.2.3", "172.16.0.1", "192.168.1.1")
        ),
        *((address, False) for address in ("169.254.169.254", "100.64.0.1", "100.100.100.200", "168.63.129.16")),
        *((address, False) for address in ("192.0.0.192", "224.0.0.1", "240.0.0.1", "255.255.255.255", "198.18.0.1")),
        *(
            (address, False)
            for address in ("::", "::1", "fe80::1", "fe80::1%lo", "fd00:ec2::254", "fec0::1", "ff02::1")
        ),
        *((address, False) for address in ("::ffff:10.0.0.1", "64:ff9b::a9fe:a9fe", "2002:7f00:1::", "2001:db8::1")),
    ],
)
def test_public_addresses(address, public):
    assert addresses.is_public(address) == public


@pytest.mark.parametrize("verb", [lambda uri: storage.write(uri, b"x"), lambda uri: storage.list(uri), storage.delete])
def test_a_web_server_holds_no_store(verb):
    with hostile_server() as server:
        with pytest.raises(GraftError, match="web server"):
            verb(f"{server.url}/x")
        assert server.asked == []
