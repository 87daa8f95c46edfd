"""Listening at an address of this machine, until the process is told to end."""

import asyncio
import signal
import socket
from collections.abc import Callable

from aiohttp import web

from graft.components.common.errors import GraftError

HOST = "127.0.0.1"
"""The address that this machine alone reaches."""
_SECONDS_TO_ANSWER = 3.0  # of requests under way when the server is told to end


def bind(host: str, port: int) -> socket.socket:
    """Returns a socket with an address, which is listened at later: one that is taken is told before any work is done.

    Args:
        host: The address.
        port: The port; any that is free if 0.

    Raises:
        GraftError: It is taken, or can't be had.
    """
    place = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    try:
        # Else an address counts as taken for a minute after its server ended.
        place.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        place.bind((host, port))
    except OSError as error:
        place.close()
        raise _taken(host, port, error) from error
    return place


async def listen(app: web.Application, place: socket.socket, tell: Callable[[str], None]) -> None:
    """Runs a server's application until the process is told to end.

    Args:
        app: The application.
        place: What `bind` returned.
        tell: Is called with the address once that is listened at.

    Raises:
        GraftError: Another process, which took the address at the same time, listens at it already.
    """
    told = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, told.set)
    runner = web.AppRunner(app, access_log=None, handler_cancellation=True, shutdown_timeout=_SECONDS_TO_ANSWER)
    await runner.setup()
    try:
        host, port = place.getsockname()[:2]
        try:
            await web.SockSite(runner, place).start()
        except OSError as error:
            raise _taken(host, port, error) from error
        tell(f"http://{host}:{port}")
        await told.wait()
    finally:
        await runner.cleanup()


def _taken(host: str, port: int, error: OSError) -> GraftError:
    return GraftError(f"Port {port} of {host} can't be listened at ({error.strerror}): name another by --port.")
