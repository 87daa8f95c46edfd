"""Asking web servers: nothing is believed of an answer's length, and no redirect is followed unseen."""

import functools
import logging
import os
from collections.abc import Iterator, Mapping
from http import HTTPStatus
from http.cookiejar import DefaultCookiePolicy
from typing import NamedTuple
from urllib.parse import urljoin

import requests
from urllib3.exceptions import DecodeError

from graft.components.common.storage.troubles.access import FileError, too_large
from graft.components.common.storage.troubles.retries import CONTENT_SECONDS
from graft.components.common.storage.uris import Reach, redact
from graft.components.common.storage.web.addresses import LookingAdapter
from graft.components.common.storage.web.deadlines import connections, hung_up_after

_PIECE = 256 * 2**10
_CONNECT_SECONDS, _READ_SECONDS = 10, 30
_REDIRECTS = 10
# Unpacking is asked for where it is wanted: what a server calls an encoding may be the file's own compression.
_AS_STORED = {"Accept-Encoding": "identity"}


class Told(NamedTuple):
    """What an answer tells of a file.

    Attributes:
        size: The file's length in bytes as it is sent, if told.
        tag: Its entity tag as it was sent; empty for none.
        ranges: Whether the server heeds ranges.
        packed: Whether it is sent packed, so that what comes of it is of another length.
    """

    size: int | None
    tag: str
    ranges: bool
    packed: bool


class _Session(requests.Session):  # type: ignore[misc]
    def get_redirect_target(self, resp: requests.Response) -> None:
        """Finds no redirect: requests would first read its body, however long that is."""


@functools.cache
def _session(reach: Reach) -> _Session:
    logging.getLogger("urllib3.connectionpool").setLevel(logging.ERROR)  # its warnings show query strings
    session = _Session()
    session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=()))  # several threads use it
    if reach is not Reach.ANY:
        for scheme in ("http://", "https://"):
            session.mount(scheme, LookingAdapter(public_only=reach is Reach.PUBLIC))
    return session


def ask(url: str, reach: Reach, headers: Mapping[str, str]) -> requests.Response:
    """Asks a web server for a file, and whoever it refers to.

    Args:
        url: The file's URL.
        reach: Which addresses may be asked.
        headers: What to ask with.

    Returns:
        The answer, whose body is still to come: the caller closes it.

    Raises:
        FileError: An address may not be asked.
        requests.RequestException: There is no answer, or one that refuses.
    """
    place, asked = url, reach
    for _ in range(_REDIRECTS):
        session = _session(asked)
        response = session.get(
            place,
            headers={**_AS_STORED, **headers},
            stream=True,
            timeout=(_CONNECT_SECONDS, _READ_SECONDS),
            # requests knows the first one alone, and clients of buckets the second.
            verify=os.environ.get("REQUESTS_CA_BUNDLE") or os.environ.get("SSL_CERT_FILE"),
            allow_redirects=False,
        )
        target = requests.Session.get_redirect_target(session, response)
        if target is None:
            if not response.ok and response.status_code != HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
                response.close()
                raise requests.HTTPError(f"{response.status_code} {response.reason}", response=response)
            return response
        response.close()
        place = urljoin(place, target)
        is_other_server = session.should_strip_auth(url, place)
        asked = Reach.PUBLIC if reach is Reach.NAMED and is_other_server else reach
    raise requests.TooManyRedirects(f"more than {_REDIRECTS} redirects", response=response)


def post(url: str, content: Mapping[str, object], seconds: float) -> int:
    """Posts JSON to an address that the operator named, and returns the HTTP status. Nothing else of the answer is read or followed.

    Args:
        url: The address.
        content: What is posted.
        seconds: How long to wait for the answer.

    Raises:
        requests.RequestException: There is no answer.
    """
    session = _session(Reach.ANY)
    with session.post(url, json=dict(content), stream=True, timeout=seconds, allow_redirects=False) as response:
        return int(response.status_code)


def post_for_answer(url: str, body: bytes, headers: Mapping[str, str], seconds: float, most: int) -> tuple[int, bytes]:
    """Posts bytes to an address that the operator named, and returns the HTTP status and the answer's body. No redirect is followed.

    Args:
        url: The address.
        body: What is posted.
        headers: What to post it with.
        seconds: How long the answer may take.
        most: How many bytes of it are read.

    Raises:
        TimeoutError: It took too long.
        requests.RequestException: There is no answer.
    """
    session = _session(Reach.ANY)
    verify = os.environ.get("REQUESTS_CA_BUNDLE") or os.environ.get("SSL_CERT_FILE")
    with session.post(
        url,
        data=body,
        headers={**_AS_STORED, **headers},
        stream=True,
        timeout=(_CONNECT_SECONDS, seconds),
        verify=verify,
        allow_redirects=False,
    ) as response:
        content = bytearray()
        with hung_up_after(seconds, connections.get(response.raw), "the answer"):
            for piece in pieces(response):
                content += piece
                if len(content) >= most:
                    break
        return int(response.status_code), bytes(content[:most])


def told(response: requests.Response) -> Told:
    """Returns what an answer tells of the file."""
    ranges = response.status_code == HTTPStatus.PARTIAL_CONTENT
    total = response.headers.get("Content-Length", "")
    if ranges:
        total = response.headers.get("Content-Range", "").rpartition("/")[2]
    packed = response.headers.get("Content-Encoding", "identity").lower() != "identity"
    return Told(int(total) if total.isdecimal() else None, response.headers.get("ETag", ""), ranges, packed)


def describe(url: str, reach: Reach) -> Told:
    """Returns what a server tells of a file without sending it. It isn't asked by HEAD, which a presigned URL refuses."""
    with ask(url, reach, {"Range": "bytes=0-0"}) as response:
        if response.status_code != HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
            return told(response)
    with ask(url, reach, {}) as response:  # an empty file has no first byte
        return told(response)


def pieces(response: requests.Response, *, unpack: bool = False) -> Iterator[bytes]:
    """Yields the body of an answer as it comes, in pieces of a limited size, also where little data unpacks to much.

    Args:
        response: The answer.
        unpack: Whether to unpack what the server calls an encoding.
    """
    while piece := response.raw.read1(_PIECE, decode_content=unpack):
        yield bytes(piece)


def read(url: str, reach: Reach, most: int, part: tuple[int, int] | None = None) -> bytes:
    """Returns a file's bytes, or a part of them, as `read_told` does."""
    return read_told(url, reach, most, part)[0]


def read_told(url: str, reach: Reach, most: int, part: tuple[int, int] | None = None) -> tuple[bytes, Told]:
    """Returns a file's bytes, or a part of them, and what is told of it with them.

    Args:
        url: The file's URL.
        reach: Which addresses may be asked.
        most: How many bytes it may have.
        part: The first byte and the one after the last; None for all.

    Raises:
        FileError: It has more bytes, can't be unpacked, or comes whole where a part was asked for.
        TimeoutError: It took too long.
        requests.RequestException: There is no answer, or one that refuses.
    """
    content = bytearray()
    with ask(url, reach, {"Range": f"bytes={part[0]}-{part[1] - 1}"} if part else {}) as response:
        if part and response.status_code != HTTPStatus.PARTIAL_CONTENT:
            raise _refused(url, "comes from a server that sends no parts of it")
        length, answer = response.headers.get("Content-Length", ""), told(response)
        if length.isdecimal() and int(length) > most and not answer.packed:
            raise too_large(url, most)
        try:
            with hung_up_after(CONTENT_SECONDS, connections.get(response.raw), "it"):
                for piece in pieces(response, unpack=part is None):
                    content += piece
                    if len(content) > most:
                        raise too_large(url, most)
        except DecodeError as error:
            raise _refused(url, "is packed in a way that can't be unpacked") from error
    return bytes(content), answer


def _refused(url: str, reason: str) -> FileError:
    return FileError(f"{redact(url)} {reason}.", reason)
