"""A proxy before a storage server: counts bytes by what they belong to, and refuses writes when it is told to."""

import re
import threading
import time
from collections import Counter
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote, urlsplit

HOP = {"connection", "keep-alive", "transfer-encoding", "content-length", "host"}
KINDS = ("photos", "shards", "features", "checkpoints", "versions", "runs")


class Proxy(ThreadingHTTPServer):
    """Passes everything on to a server.

    Attributes:
        read: Bytes of answers, by kind: the part of the path that says what an object is.
        written: Bytes of requests, likewise.
        refused: How many writes were refused.
    """

    daemon_threads = True
    request_queue_size = 1024  # with Python's 5, of a hundred requests at once some would wait for seconds to be let in

    def __init__(self, server):
        self.server_name_and_port = urlsplit(server).netloc
        self.read, self.written, self.refused = Counter(), Counter(), 0
        self._lock, self._refuse_for, self._until = threading.Lock(), 0.0, 0.0
        super().__init__(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_port}"

    def refuse_writes(self, seconds):
        """Answers 503 to writes for so long, from the next one on."""
        self._refuse_for = seconds

    def refuses(self, command):
        with self._lock:
            if command in ("GET", "HEAD"):
                return False
            if self._refuse_for:
                self._until, self._refuse_for = time.monotonic() + self._refuse_for, 0.0
            refuses = time.monotonic() < self._until
            self.refused += refuses
            return refuses

    def count(self, path, sent, got):
        words = re.split(r"[/?&=]", unquote(path))
        kind = next((kind for kind in KINDS if kind in words), "other")
        with self._lock:
            self.written[kind] += sent
            self.read[kind] += got

    def handle_error(self, request, client_address):
        """Says nothing of clients that hang up, as killed ones do."""


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # headers and body are sent apart: each answer would wait 40 ms

    def do(self):
        body = self._body()
        if self.server.refuses(self.command):
            self._answer(503, {"Content-Type": "application/json"}, b'{"error": {"code": 503, "message": "try again"}}')
            return
        connection = HTTPConnection(self.server.server_name_and_port, timeout=300)
        headers = {name: value for name, value in self.headers.items() if name.lower() not in HOP}
        connection.request(self.command, self.path, body, headers | {"Content-Length": str(len(body))})
        response = connection.getresponse()
        self.length = response.getheader("Content-Length")  # of an answer to HEAD, which has no content
        content = response.read()
        connection.close()
        # An object's name is in the path, or in the body of an upload in parts.
        name = re.search(rb'"name": *"([^"]+)"', body[:2000])
        self.server.count(f"{self.path}/{name[1].decode()}" if name else self.path, len(body), len(content))
        own = {name: value for name, value in response.getheaders() if name.lower() not in HOP}
        if "Location" in own:  # of an upload in parts, which the server would have go past the proxy
            own["Location"] = own["Location"].replace(
                self.server.server_name_and_port, urlsplit(self.server.url).netloc
            )
        self._answer(response.status, own, content)

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = do  # noqa: N815

    def _body(self):
        if self.headers.get("Transfer-Encoding", "").lower() != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))
        parts = []
        while size := int(self.rfile.readline().split(b";")[0], 16):
            parts.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(parts)

    def _answer(self, status, headers, content):
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", (self.command == "HEAD" and self.length) or str(len(content)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def log_message(self, *arguments):
        pass
