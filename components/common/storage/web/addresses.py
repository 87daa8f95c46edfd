"""Connections to web servers that look where a name leads before they go there, and go where they looked."""

import contextlib
import socket
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Any

import requests
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import ConnectTimeoutError, NameResolutionError, NewConnectionError
from urllib3.response import HTTPResponse

from graft.components.common.storage.troubles.access import FileError
from graft.components.common.storage.web import deadlines

# Azure's metadata and DNS answer at a public address, all others at link-local or private ones.
_METADATA = IPv4Network("168.63.129.16/32")
# Python before 3.11.10 takes most of it for public; Oracle's metadata is there.
_PROTOCOLS = IPv4Network("192.0.0.0/24")
_UNICAST = IPv6Network("2000::/3")
# Networks without IPv4 show IPv4 addresses within this (RFC 6052).
_NAT64 = IPv6Network("64:ff9b::/96")

# To a server at a time that are kept: as many as ask for images at once.
_CONNECTIONS = 32
# Names, with ports, that led to public addresses. One that leads to a private one later on is being turned against this machine.
_PUBLIC_BEFORE: set[tuple[str, int]] = set()


def is_public(address: str) -> bool:
    """Whether an IP address is one of the internet's own: not of this machine, its network or its cloud, and no multicast."""
    ip = ip_address(address)
    if isinstance(ip, IPv6Address):
        translated = IPv4Address(int(ip) % 2**32) if ip in _NAT64 else None
        ip = ip.ipv4_mapped or ip.sixtofour or translated or ip
    if isinstance(ip, IPv6Address):
        return ip.is_global and ip in _UNICAST
    return ip.is_global and not ip.is_multicast and ip not in _METADATA and ip not in _PROTOCOLS


class _Looking(HTTPConnection):
    """A connection that looks its server's name up once, and connects to what it saw.

    Attributes:
        public_only: Whether the name must lead to public addresses alone; else it must if it did before.
    """

    public_only = False

    def _new_conn(self) -> socket.socket:
        name, found = self._dns_host, self._look_up()
        if private := [address for address in found if not is_public(address)]:
            if self.public_only or (name, self.port) in _PUBLIC_BEFORE:
                reason = f"leads to {private[0]}, which is no public address"
                raise FileError(
                    f"{name} {reason}: name that address yourself, or allow it for a source by --allow-private-addresses.",
                    reason,
                )
        else:
            _PUBLIC_BEFORE.add((name, self.port))
        *others, last = found
        try:
            for self._dns_host in others:
                with contextlib.suppress(NewConnectionError, ConnectTimeoutError):
                    return super()._new_conn()
            self._dns_host = last
            return super()._new_conn()
        finally:
            self._dns_host = name  # that of the certificate and of the request

    def getresponse(self) -> HTTPResponse:  # type: ignore[override]  # as urllib3 has it
        """Returns the answer once its headers are there, which no server may send without end.

        Raises:
            TimeoutError: It took too long.
        """
        connection, response = self.sock, None
        try:
            with deadlines.hung_up_after(deadlines.HEADER_SECONDS, connection, "its headers"):
                response = super().getresponse()
        except TimeoutError:
            if response:  # cut in the middle, it looks whole
                response.close()
            raise
        deadlines.connections[response] = connection
        return response

    def _look_up(self) -> list[str]:
        try:
            found = socket.getaddrinfo(self._dns_host, self.port, type=socket.SOCK_STREAM)
        except socket.gaierror as error:
            raise NameResolutionError(self._dns_host, self, error) from error
        return list(dict.fromkeys(str(place[0]) for *_, place in found))


class LookingAdapter(requests.adapters.HTTPAdapter):  # type: ignore[misc]
    """What requests connects by; where a proxy is set, that looks the names up, and nothing is checked here.

    Args:
        public_only: Whether names must lead to public addresses alone.
    """

    def __init__(self, *, public_only: bool) -> None:
        kinds = {"http": (HTTPConnectionPool, HTTPConnection), "https": (HTTPSConnectionPool, HTTPSConnection)}
        self._pools = {}
        for scheme, (pool, connection) in kinds.items():
            looking = type(connection.__name__, (_Looking, connection), {"public_only": public_only})
            self._pools[scheme] = type(pool.__name__, (pool,), {"ConnectionCls": looking})
        super().__init__(pool_maxsize=_CONNECTIONS)

    def init_poolmanager(self, *arguments: Any, **options: Any) -> None:
        """Makes the pools of connections, of connections that look."""
        super().init_poolmanager(*arguments, **options)
        self.poolmanager.pool_classes_by_scheme = self._pools
