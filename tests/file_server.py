"""A web server of one file, with the troubles that tests give it; also a program of its own, which can be killed.

As a program: file_server.py FILE PORT [BYTES]; it is killed once it has sent so many bytes of the file.
"""

import hashlib
import os
import re
import signal
import socket
import struct
import sys
import time
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from web import in_a_thread

PROBE = "bytes=0-0"
PIECE = 64 * 2**10


class FileServer(ThreadingHTTPServer):
    """Serves `content` at any path.

    Attributes:
        content: The file.
        ranges: Whether ranges are heeded.
        etag: `strong`, `weak` or `none`.
        sized: Whether the size is told with the whole file.
        troubles: What goes wrong, a request each: a status, or, for requests of the file itself, a function of the handler and
            the bytes that it would send.
        asked: The `Range` headers of the requests for the file itself (an empty text for all of it), and all paths.
    """

    daemon_threads = True

    def __init__(self, content, port=0, *, ranges=True, etag="strong", speed=None, sized=True):
        self.content, self.ranges, self.etag, self.speed, self.sized = content, ranges, etag, speed, sized
        self.troubles, self.asked, self.paths = [], [], []
        super().__init__(("127.0.0.1", port), Handler)

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_port}/photos.zip"

    def tag(self):
        digest = hashlib.sha256(self.content).hexdigest()[:16]
        # A weak tag stays when the bytes change, as long as the server takes them to mean the same.
        return {"strong": f'"{digest}"', "weak": 'W/"same"', "none": ""}[self.etag]

    def handle_error(self, request, client_address):
        """Says nothing of clients that hang up."""


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        server, content, tag = self.server, self.server.content, self.server.tag()
        wanted = self.headers.get("Range", "")
        server.paths.append(self.path)
        if wanted != PROBE:
            server.asked.append(wanted)
        trouble = None
        if server.troubles and (isinstance(server.troubles[0], int) or wanted != PROBE):
            trouble = server.troubles.pop(0)
        if isinstance(trouble, int):
            self.send_error(trouble)
            return
        part = re.fullmatch(r"bytes=(\d+)-(\d*)", wanted) if server.ranges else None
        if part and self.headers.get("If-Range", tag) == tag:
            start, stop = int(part[1]), min(int(part[2] or len(content)) + 1, len(content))
            if start >= len(content):
                self.send_error(416)
                return
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {start}-{stop - 1}/{len(content)}")
            content = content[start:stop]
        else:
            self.send_response(200)
        if tag:
            self.send_header("ETag", tag)
        if part or server.sized:
            self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if trouble:
            trouble(self, content)
        else:
            self.send(content)

    def send(self, content):
        for begin in range(0, len(content), PIECE):
            self.wfile.write(content[begin : begin + PIECE])
            if self.server.speed:
                time.sleep(PIECE / self.server.speed)

    def log_message(self, *arguments):
        pass


def reset(after):
    """A connection that is reset after some bytes."""

    def trouble(handler, content):
        handler.send(content[:after])
        time.sleep(0.1)  # a reset overtakes what is still on the way
        handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        handler.connection.close()

    return trouble


def cut(after):
    """A body that ends early."""
    return lambda handler, content: handler.send(content[:after])


def kill(after):
    """The end of the server, and of the process that it is in, after some bytes."""

    def trouble(handler, content):
        handler.send(content[:after])
        os.kill(os.getpid(), signal.SIGKILL)

    return trouble


def change(after, new):
    """A file that is replaced while it is read: the rest of the body is the new one's."""

    def trouble(handler, content):
        handler.send(content[:after])
        handler.server.content = new
        handler.send(new[-(len(content) - after) :])

    return trouble


@contextmanager
def file_server(content, **options):
    """Runs a server in a thread of its own."""
    with in_a_thread(FileServer(content, **options)) as server:
        yield server


if __name__ == "__main__":
    served = FileServer(Path(sys.argv[1]).read_bytes(), int(sys.argv[2]))
    served.troubles += map(kill, map(int, sys.argv[3:]))
    served.serve_forever()
