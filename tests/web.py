"""A small web server for tests: records what it is asked, and answers what a test tells it to."""

import json
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@contextmanager
def in_a_thread(server):
    """Runs a server in a thread of its own, and yields it."""
    with server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


class Web:
    """What was asked, and what is answered.

    Attributes:
        url: Address of the server.
        asked: Method, path, headers and body of every request.
        answer: A function of method, path and body that returns status and JSON content.
    """

    def __init__(self, url, answer):
        self.url, self.asked, self.answer = url, [], answer


@contextmanager
def web_server(answer=lambda method, path, body: (200, {})):
    """Runs a web server in a thread of its own."""

    class Handler(BaseHTTPRequestHandler):
        def do(self):
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            web.asked.append(
                (self.command, self.path, {name.title(): value for name, value in self.headers.items()}, body)
            )
            status, content = web.answer(self.command, self.path, body)
            sent = json.dumps(content).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(sent)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(sent)

        do_GET = do_POST = do_PUT = do_DELETE = do_HEAD = do_PATCH = do  # noqa: N815

        def log_message(self, *arguments):
            pass

    with in_a_thread(ThreadingHTTPServer(("127.0.0.1", 0), Handler)) as server:
        web = Web(f"http://127.0.0.1:{server.server_port}", answer)
        yield web
