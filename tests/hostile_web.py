"""A web server that means harm: bodies without end, bombs, redirects. It counts what is taken of it."""

import gzip
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from web import in_a_thread

MIB = 2**20
# The server gives up after so many bytes: what hasn't hung up by then never would.
ENDLESS = 96 * MIB
BOMB = gzip.compress(bytes(300 * MIB), 1)


class HostileServer(ThreadingHTTPServer):
    """Answers each path as `answers` tells.

    Attributes:
        answers: By path a function of the handler, or where the path redirects to.
        asked: All paths that were asked for.
        sent: How many bytes of endless bodies were sent.
    """

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.answers, self.asked, self.sent = {}, [], 0

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_port}"

    def handle_error(self, request, client_address):
        """Says nothing of clients that hang up."""


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self.server.asked.append(self.path)
        answer = self.server.answers.get(self.path, whole(b"here"))
        if isinstance(answer, str):
            self.start(302, {"Location": answer, "Content-Length": "0"})
        else:
            answer(self)

    do_POST = do_GET  # noqa: N815

    def start(self, status, headers):
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()

    def send_without_end(self):
        piece = bytes(64 * 2**10)
        for _ in range(ENDLESS // len(piece)):
            self.wfile.write(b"%x\r\n%b\r\n" % (len(piece), piece))
            self.server.sent += len(piece)
        self.wfile.write(b"0\r\n\r\n")

    def log_message(self, *arguments):
        pass


def whole(content, **headers):
    """A body that is as it should be."""

    def answer(handler):
        handler.start(200, {"Content-Length": str(len(content)), **headers})
        handler.wfile.write(content)

    return answer


def endless(handler):
    handler.start(200, {"Transfer-Encoding": "chunked"})
    handler.send_without_end()


def endless_part(handler):
    """As if it heeded ranges, but without an end."""
    handler.start(206, {"Transfer-Encoding": "chunked", "Content-Range": f"bytes 0-99/{100 * MIB}", "ETag": '"a"'})
    handler.send_without_end()


def endless_redirect(target):
    def answer(handler):
        handler.start(302, {"Location": target, "Transfer-Encoding": "chunked"})
        handler.send_without_end()

    return answer


def bomb(handler):
    handler.start(200, {"Content-Encoding": "gzip", "Content-Length": str(len(BOMB))})
    handler.wfile.write(BOMB)


def bomb_part(handler):
    handler.start(
        206,
        {"Content-Encoding": "gzip", "Content-Length": str(len(BOMB)), "Content-Range": f"bytes 0-99/{100 * MIB}"},
    )
    handler.wfile.write(BOMB)


def huge(handler):
    handler.start(200, {"Content-Length": str(10**15), "ETag": '"a"'})
    handler.wfile.write(bytes(1000))


@contextmanager
def hostile_server(**answers):
    """Runs a server in a thread of its own; its answers are named by their paths."""
    with in_a_thread(HostileServer()) as server:
        server.answers |= {f"/{name}": answer for name, answer in answers.items()}
        yield server


class PeakMemory:
    """How much more memory this process has held since it was made, in bytes."""

    def __init__(self):
        Path("/proc/self/clear_refs").write_text("5")
        self._before = self._read("VmRSS")

    def grown(self):
        return self._read("VmHWM") - self._before

    def _read(self, name):
        lines = Path("/proc/self/status").read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith(f"{name}:")) * 1024
