"""Deadlines for answers of web servers: http.client and urllib3 read on as long as bytes come, also where none of them is content."""

import contextlib
import socket
import threading
from collections.abc import Iterator
from weakref import WeakKeyDictionary

from urllib3.response import BaseHTTPResponse

HEADER_SECONDS = 60.0
"""How long a server may take from the request to the end of its headers, however often a byte of them comes."""

connections: "WeakKeyDictionary[BaseHTTPResponse, socket.socket]" = WeakKeyDictionary()
"""What each answer comes by."""


@contextlib.contextmanager
def hung_up_after(seconds: float, connection: socket.socket | None, what: str) -> Iterator[None]:
    """Shuts a connection down if the context lasts longer.

    Args:
        seconds: How long it may last.
        connection: The connection; None for one that can't be shut down here, as behind a proxy.
        what: What takes that long, for the message.

    Raises:
        TimeoutError: It lasted longer, however it ended.
    """
    is_late = threading.Event()

    def hang_up() -> None:
        is_late.set()
        with contextlib.suppress(OSError):  # it has ended by itself
            if connection:
                connection.shutdown(socket.SHUT_RDWR)

    late = threading.Timer(seconds, hang_up)
    late.daemon = True
    late.start()
    try:
        yield
    except Exception:
        if not is_late.is_set():
            raise
    finally:
        late.cancel()
    if is_late.is_set():  # what came until then may look whole
        if connection:
            connection.close()
        raise TimeoutError(f"{what} took longer than {seconds:.0f} s")
