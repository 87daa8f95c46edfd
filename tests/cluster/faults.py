"""A stateful HTTP server for tests that speaks a backend's JSON, and fails when it is told to."""

import contextlib
import json
import re
import socket
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit


class RefusalError(Exception):
    """What a route raises to refuse a request.

    Attributes:
        status: The HTTP status.
        body: The JSON content, or plain text.
    """

    def __init__(self, status, body):
        super().__init__(status)
        self.status, self.body = status, body


class Fault:
    """Something that goes wrong with the next requests that match: a status, a dropped connection or a delay."""

    def __init__(self, pattern, kind, value, times):
        self.pattern, self.kind, self.value, self.times = re.compile(pattern), kind, value, times


class FaultyServer:
    """Serves `routes` in a thread, records what it is asked, and injects faults.

    A subclass has `routes`, a list of ("METHOD path-pattern", function of match, query, body), and `error(status, text)`,
    which words an error as the real server does.

    Args:
        token: Bearer token that every request must carry; empty for none.
        cookie: Cookie that every request must carry; empty for none.
    """

    routes = ()

    def __init__(self, token="", cookie=""):
        self.token, self.cookie = token, cookie
        self.asked, self.faults, self.lock = [], [], threading.RLock()

    def fail(self, pattern, status=500, times=1):
        """The next requests whose "METHOD path" matches get an error."""
        self.faults.append(Fault(pattern, "fail", status, times))

    def drop(self, pattern, times=1, after=False):
        """The next requests that match get no answer, before or after they have had their effect."""
        self.faults.append(Fault(pattern, "drop after" if after else "drop before", None, times))

    def slow(self, pattern, seconds, times=1):
        """The next requests that match are answered late."""
        self.faults.append(Fault(pattern, "slow", seconds, times))

    def times(self, pattern):
        """How often "METHOD path" was asked for."""
        return len([True for method, path, _, _ in self.asked if re.search(pattern, f"{method} {path}")])

    def error(self, status, text):
        raise NotImplementedError

    def __enter__(self):
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True  # headers and body are sent apart: each answer would wait 40 ms

            def do(self):
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                server.asked.append((self.command, self.path, dict(self.headers), body))
                fault = server._fault(f"{self.command} {self.path}")
                if fault and fault.kind == "slow":
                    time.sleep(fault.value)
                if fault and fault.kind == "drop before":
                    return self.hang_up()
                if fault and fault.kind == "fail":
                    status, content = fault.value, server.error(fault.value, "it was told to fail")
                else:
                    status, content = server._answer(self.command, self.path, self.headers, body)
                if fault and fault.kind == "drop after":
                    return self.hang_up()
                plain = isinstance(content, str)
                sent = content.encode() if plain else json.dumps(content).encode()
                self.send_response(status)
                self.send_header("Content-Type", "text/plain" if plain else "application/json")
                self.send_header("Content-Length", str(len(sent)))
                self.end_headers()
                with contextlib.suppress(ConnectionError):  # whoever waited has given up
                    self.wfile.write(sent)

            do_GET = do_POST = do_PUT = do_DELETE = do_PATCH = do  # noqa: N815

            def hang_up(self):
                self.close_connection = True
                self.connection.shutdown(socket.SHUT_RDWR)

            def log_message(self, *arguments):
                pass

        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._http.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._http.server_port}"
        self._thread = threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.02})
        self._thread.start()
        return self

    def __exit__(self, *error):
        self._http.shutdown()
        self._thread.join()
        self._http.server_close()

    def _fault(self, asked):
        for fault in self.faults:
            if fault.times and fault.pattern.search(asked):
                fault.times -= 1
                return fault
        return None

    def _answer(self, method, target, headers, body):
        if self.token or self.cookie:
            given = headers.get("Authorization"), headers.get("Cookie")
            if given == (None, None):
                return 401, self.error(401, "no credentials")
            if (self.token and given[0] != f"Bearer {self.token}") or (self.cookie and given[1] != self.cookie):
                return 403, self.error(403, "not allowed")
        split = urlsplit(target)
        query = {name: values[0] for name, values in parse_qs(split.query).items()}
        for pattern, route in self.routes:
            match = re.fullmatch(pattern, f"{method} {split.path}")
            if match:
                with self.lock:
                    try:
                        return 200, route(self, match, query, self._parsed(headers, body))
                    except RefusalError as refusal:
                        return refusal.status, refusal.body
        return 404, self.error(404, f"{method} {split.path}: no such method")

    def _parsed(self, headers, body):
        if "json" in (headers.get("Content-Type") or ""):
            return json.loads(body or b"{}")
        return body
