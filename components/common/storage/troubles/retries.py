"""Which troubles with storage pass by themselves, and trying again until they have."""

import errno
import functools
import http.client
import logging
import socket
import ssl
import sys
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

from tenacity import RetryCallState, Retrying, retry_if_exception, stop_before_delay, wait_exponential_jitter

from graft.components.common.ending import told
from graft.components.common.storage.uris import brief

log = logging.getLogger("graft")

Result = TypeVar("Result")

# No new attempt begins later than this many seconds after the first.
PATIENCE = 60.0
_FIRST_WAIT, _LONGEST_WAIT = 0.5, 10.0
# A single request: gcsfs and s3fs try again on their own, each in its way, and must end in time.
REQUEST_SECONDS = 20.0
# One that brings or takes a whole file, such as 128 MiB of features over a slow line.
CONTENT_SECONDS = 300.0

_UNAUTHORIZED = 401
_TRANSIENT_STATUSES = (408, 425, 429, 500, 502, 503, 504)
_TRANSIENT = (ConnectionError, TimeoutError, http.client.IncompleteRead)
# The clients' own errors, by module: one that isn't imported raises none, and importing them all takes half a second.
_CLIENTS_ERRORS = {
    "aiohttp": ("ClientConnectionError", "ClientPayloadError"),
    "requests.exceptions": ("ConnectionError", "Timeout", "ChunkedEncodingError"),
    "urllib3.exceptions": ("ProtocolError", "TimeoutError"),
    "botocore.exceptions": ("ConnectionError", "HTTPClientError"),
}
# s3fs turns "slow down" and "internal error" into these.
_TRANSIENT_NUMBERS = (errno.EBUSY, getattr(errno, "EREMOTEIO", errno.EIO))


class TruncatedError(ConnectionError):
    """Fewer bytes came than were announced."""


def is_transient(error: BaseException) -> bool:
    """Whether what failed may succeed a little later: a busy or restarting server, a broken connection, a timeout.

    Missing files and rights, refused requests, unknown hosts and bad certificates don't mend themselves.
    """
    if isinstance(error, FileNotFoundError):  # fsspec says so over HTTP whatever happened, and keeps what did
        return error.__cause__ is not None and is_transient(error.__cause__)
    if isinstance(error, PermissionError) or any(_is_final(link) for link in _chain(error)):
        return False
    status = http_status(error)
    if status is not None:
        return status in _TRANSIENT_STATUSES
    if isinstance(error, OSError) and error.errno in _TRANSIENT_NUMBERS:
        return True
    return isinstance(error, _TRANSIENT + _clients_errors()) or getattr(error, "retryable", None) is True


def persist(work: Callable[[], Result]) -> Result:
    """Does work that is harmless to repeat, with growing pauses for up to a minute while its trouble is transient.

    What the last attempt raises is raised. Once the process has been told to end there is no other attempt.
    """
    retrying = Retrying(
        retry=retry_if_exception(is_transient),
        wait=wait_exponential_jitter(initial=_FIRST_WAIT, max=_LONGEST_WAIT, jitter=_FIRST_WAIT),
        stop=stop_before_delay(PATIENCE),
        sleep=_pause,
        before_sleep=_say,
        reraise=True,
    )
    return retrying(work)


def request(fs: Any, method: str, *arguments: Any, seconds: float | None = None, **options: Any) -> Any:
    """Calls a method of an fsspec file system, such as `info`, for one request.

    Args:
        fs: The file system.
        method: The method's name.
        *arguments: Its arguments.
        seconds: Seconds that the request may take; None for `REQUEST_SECONDS`.
        **options: Its keyword arguments.

    Raises:
        TimeoutError: It took longer than `seconds`, or than `REQUEST_SECONDS` where none are given.
    """
    if getattr(fs, "async_impl", False):
        options["timeout"] = seconds or REQUEST_SECONDS
    work = functools.partial(getattr(fs, method), *arguments, **options)
    try:
        return work()
    except Exception as error:
        refused = http_status(error) == _UNAUTHORIZED
        if "gs" not in fs.protocol or not (refused or isinstance(error, TimeoutError)):
            raise
        if _renew_token(fs.credentials.credentials) and refused:
            return work()
        raise


def _renew_token(credentials: Any) -> bool:
    """Gets a new access token from Google: the old one may be refused though it is good by this machine's clock.

    gcsfs takes a refused token for trouble that passes, and tries it until the time is over.

    Args:
        credentials: Those of google-auth; None for none.

    Returns:
        Whether there is a new one.

    Raises:
        RefreshError: Google gives none any more.
    """
    from google.auth.exceptions import GoogleAuthError, RefreshError, TransportError
    from google.auth.transport.requests import Request

    if credentials is None:
        return False
    try:
        credentials.refresh(functools.partial(Request(), timeout=REQUEST_SECONDS))
    except GoogleAuthError as error:  # the network may be what fails here, too: that is trouble that passes
        passes = error.retryable or isinstance(error.__cause__, TransportError)
        if isinstance(error, RefreshError) and not (passes and credentials.valid):
            raise
        return False
    return True


def _pause(seconds: float) -> None:
    if told.wait(seconds):
        raise InterruptedError("the process was told to end")


def _say(state: RetryCallState) -> None:
    error = state.outcome.exception() if state.outcome else None
    wait = state.next_action.sleep if state.next_action else 0.0
    log.warning("%s: trying again in %.1f s", brief(error) if error else "failed", wait)


def _chain(error: BaseException) -> Iterator[BaseException]:
    """Yields an error and what led to it."""
    link: BaseException | None = error
    seen: set[int] = set()
    while link is not None and id(link) not in seen:
        seen.add(id(link))
        yield link
        link = link.__cause__ or link.__context__


def _is_final(error: BaseException) -> bool:
    if isinstance(error, socket.gaierror):
        return error.errno != socket.EAI_AGAIN
    return isinstance(error, ssl.SSLCertVerificationError)


def http_status(error: BaseException) -> int | None:
    """Finds the HTTP status that an error stands for, wherever its client keeps it; None if it stands for none."""
    response = _response(error)
    if isinstance(response, dict):  # botocore's
        found = response.get("ResponseMetadata", {}).get("HTTPStatusCode")
    else:
        found = getattr(response, "status_code", None) or getattr(error, "status", None) or getattr(error, "code", None)
    return int(found) if str(found).isdecimal() else None


def s3_code(error: BaseException) -> str:
    """Returns S3's own name for what went wrong, such as `ExpiredToken`; empty for an error that is not S3's."""
    response = _response(error)
    return str(response.get("Error", {}).get("Code", "")) if isinstance(response, dict) else ""


def _response(error: BaseException) -> Any:
    """Returns what a server answered, as its client keeps it; None if it keeps nothing."""
    response = getattr(error, "response", None)
    # Not `or`: a refusing response of requests counts as false.
    return getattr(error.__cause__, "response", None) if response is None else response


def _clients_errors() -> tuple[type[Exception], ...]:
    """Returns the passing errors of those clients that are in use."""
    return tuple(
        getattr(sys.modules[module], name)
        for module, names in _CLIENTS_ERRORS.items()
        if module in sys.modules
        for name in names
    )
