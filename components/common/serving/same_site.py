"""Requests of foreign web pages are refused: any page that a browser shows could otherwise use what listens on the same machine."""

import ipaddress
from urllib.parse import urlsplit

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware


def same_site(address: str) -> Middleware:
    """Returns a middleware that answers 403 to what a page of another site sends.

    Such a page tells its own `Origin`; or the name of its site points to this machine (DNS rebinding), and `Host` is that name. So a
    server for this machine alone goes by `localhost` or an address. Another one may have any name.

    Args:
        address: The address that the server listens at.
    """
    is_private = _is_local(address)

    @web.middleware
    async def refuse_foreign(request: web.Request, handler: Handler) -> web.StreamResponse:
        host, origin = request.headers.get("Host", ""), request.headers.get("Origin")
        if is_private and not _is_local(host):
            return _refused(f"This server is not {host!r}: ask for {address} or localhost.")
        if origin not in (None, f"http://{host}", f"https://{host}"):
            return _refused(
                f"A page of {origin!r} can't use this server: open its own page, or send requests by a program."
            )
        return await handler(request)

    return refuse_foreign


def _is_local(host: str) -> bool:
    """Tells whether a host, with or without a port, is called by what leads to this machine alone, whoever looks it up."""
    try:
        name = urlsplit(f"//{host}").hostname or ""
        return name == "localhost" or ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


def _refused(message: str) -> web.Response:
    return web.json_response({"error": message}, status=403)
