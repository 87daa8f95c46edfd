"""Passing trouble is told from lasting trouble, whichever client tells of it."""

import errno
import logging
import socket
import ssl
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import aiohttp
import botocore.exceptions
import pytest
import requests
import urllib3.exceptions
from fsspec.implementations.memory import MemoryFileSystem
from gcsfs import GCSFileSystem
from google.api_core.exceptions import Forbidden, NotFound, ServiceUnavailable
from web import in_a_thread

from graft.components.common import storage
from graft.components.common.errors import GraftError
from graft.components.common.storage import places
from graft.components.common.storage.troubles import retries
from graft.components.common.storage.troubles.retries import is_transient, persist


def caused(error, cause):
    error.__cause__ = cause
    return error


def answered(status):
    response = requests.Response()
    response.status_code = status
    return requests.HTTPError(response=response)


def botocore_error(status):
    return botocore.exceptions.ClientError({"ResponseMetadata": {"HTTPStatusCode": status}, "Error": {}}, "GetObject")


TRANSIENT = [
    ConnectionResetError(),
    ConnectionRefusedError(),
    TimeoutError(),
    answered(503),
    answered(429),
    requests.ConnectionError(),
    requests.Timeout(),
    requests.exceptions.ChunkedEncodingError(),
    urllib3.exceptions.ProtocolError(),
    aiohttp.ServerDisconnectedError(),
    aiohttp.ClientPayloadError(),
    ServiceUnavailable("busy"),
    OSError(errno.EBUSY, "slow down"),
    caused(OSError(errno.EIO, "unknown"), botocore_error(503)),
    botocore.exceptions.EndpointConnectionError(endpoint_url="x"),
    botocore.exceptions.ReadTimeoutError(endpoint_url="x"),
    caused(FileNotFoundError(), aiohttp.ServerDisconnectedError()),
    caused(requests.ConnectionError(), socket.gaierror(socket.EAI_AGAIN, "later")),
]
LASTING = [
    FileNotFoundError(),
    PermissionError(),
    OSError(errno.ENOSPC, "full"),
    OSError("Forbidden: object"),
    ValueError(),
    KeyboardInterrupt(),
    *(answered(status) for status in (400, 401, 403, 404, 412, 416, 501)),
    Forbidden("no"),
    NotFound("no"),
    caused(OSError(errno.EINVAL, "bad"), botocore_error(400)),
    caused(FileNotFoundError(), answered(404)),
    caused(requests.ConnectionError(), socket.gaierror(socket.EAI_NONAME, "unknown")),
    caused(requests.exceptions.SSLError(), ssl.SSLCertVerificationError()),
    GraftError("no"),
]


@pytest.mark.parametrize(
    ("error", "expected"), [(error, True) for error in TRANSIENT] + [(error, False) for error in LASTING], ids=repr
)
def test_is_transient(error, expected):
    assert is_transient(error) == expected


def test_is_transient_by_gcsfs(monkeypatch):
    monkeypatch.setenv("GCSFS_EXPERIMENTAL_ZB_HNS_SUPPORT", "false")  # it reads this when it is imported
    from gcsfs.retry import HttpError

    assert [is_transient(HttpError({"code": code})) for code in (502, "500", 429, 400, 403, 412)] == [True] * 3 + [
        False
    ] * 3


@pytest.fixture
def trouble(monkeypatch):
    """A function that makes a method of fsspec's memory fail a number of times first."""
    monkeypatch.setattr(retries, "_FIRST_WAIT", 0.01)

    def break_method(method, times, error):
        whole, calls = getattr(MemoryFileSystem, method), []

        def broken(*arguments, **options):
            calls.append(arguments)
            if len(calls) <= times:
                raise error
            return whole(*arguments, **options)

        monkeypatch.setattr(MemoryFileSystem, method, broken)
        return calls

    return break_method


@pytest.mark.parametrize("method", ["info", "makedirs", "pipe_file", "put_file", "cat_file", "ls", "rm_file"])
def test_single_objects_are_tried_again(trouble, method, caplog):
    calls = trouble(method, 2, ConnectionResetError("https://ann:secret@host/x?secret"))
    uri = "memory://test-retries/file.bin"
    storage.write(uri, b"content")
    assert storage.stat(uri).size == 7 and storage.exists(uri)
    assert [file.uri for file in storage.list("memory://test-retries")] == [uri]
    assert storage.read(uri) == storage.read(uri, 100) == b"content"
    with storage.open(uri) as file:
        assert (file.seek(3), file.read()) == (3, b"tent")
    storage.put(Path(__file__), uri)
    with pytest.raises(storage.FileError, match="is larger than"):
        storage.read(uri, 10)
    storage.delete(uri)
    assert not storage.exists(uri)
    assert len(calls) >= 3
    assert "ConnectionResetError https://host/x: trying again in 0.0 s" in caplog.text and "secret" not in caplog.text


def test_lasting_trouble_is_not_tried_again(trouble):
    calls = trouble("pipe_file", 1, PermissionError("no"))
    with pytest.raises(GraftError, match="can't be written by this account"):
        storage.write("memory://test-retries/file.bin", b"content")
    assert len(calls) == 1


def test_patience_has_an_end(monkeypatch, caplog):
    caplog.set_level(logging.WARNING)
    monkeypatch.setattr(retries, "PATIENCE", 0.3)
    monkeypatch.setattr(retries, "_FIRST_WAIT", 0.02)
    calls = []

    def fail():
        calls.append(1)
        raise ConnectionResetError("gone")

    with pytest.raises(ConnectionResetError):
        persist(fail)
    assert 3 <= len(calls) <= 10


def test_a_connection_that_died_is_not_waited_for_as_long_as_content_may_take(monkeypatch):
    asked, over = [], threading.Event()

    class Stalling(BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.path)
            self.send_response(200)
            self.send_header("Content-Length", "4")
            self.end_headers()
            self.wfile.write(b"fi")
            if len(asked) == 1:
                over.wait()
            self.wfile.write(b"le")

        def log_message(self, *arguments):
            pass

    monkeypatch.setattr(places, "REQUEST_SECONDS", 0.5)
    with in_a_thread(ThreadingHTTPServer(("127.0.0.1", 0), Stalling)) as server:
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", f"http://127.0.0.1:{server.server_port}")
        monkeypatch.setenv("GCSFS_EXPERIMENTAL_ZB_HNS_SUPPORT", "false")
        GCSFileSystem.clear_instance_cache()
        try:
            began = time.monotonic()
            assert storage.read("gs://bucket/file") == b"file" and len(asked) == 2
            assert time.monotonic() - began < 30
        finally:
            over.set()
            GCSFileSystem.clear_instance_cache()
