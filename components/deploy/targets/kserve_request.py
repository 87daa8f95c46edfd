"""Asking a version that KServe runs."""

import logging
import time
from http import HTTPStatus
from urllib.parse import urlsplit

import requests

from graft.components.common import storage
from graft.components.common.errors import GraftError
from graft.components.common.storage.web.client import post_for_answer

log = logging.getLogger("graft")

_SECONDS, _LONGEST = 60.0, 2**20
# A version that has just come up is known to the cluster, and not yet everywhere to what routes there.
_ATTEMPTS, _PAUSE = 12, 5
_PASSING = (HTTPStatus.NOT_FOUND, HTTPStatus.BAD_GATEWAY, HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.GATEWAY_TIMEOUT)


def predict(url: str, body: bytes, ingress: str = "") -> bytes:
    """Posts a request to a version's address, for up to a minute while the way there is not open yet.

    Args:
        url: The address, as KServe tells it.
        body: The request, as TensorFlow Serving's REST interface takes it.
        ingress: Address of the cluster's ingress, which is asked instead where the host's name is not known; empty for the host itself.

    Raises:
        GraftError: The address is none, there is no answer, or the server refuses the request.
    """
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise GraftError(f"KServe tells an address that is none of the web: {storage.redact(url)}.")
    headers = {"Content-Type": "application/json"}
    place = url
    if ingress:
        place, headers["Host"] = f"{ingress.rstrip('/')}{parts.path}", parts.netloc
    problem = ""
    for attempt in range(_ATTEMPTS):
        if attempt:
            log.debug("%s: %s; asking again", url, problem)
            time.sleep(_PAUSE)
        try:
            status, answer = post_for_answer(place, body, headers, _SECONDS, _LONGEST)
        except (requests.RequestException, OSError) as error:
            problem = storage.brief(error)
            continue
        if status == HTTPStatus.OK:
            return answer
        said = " ".join(answer[:200].decode(errors="replace").split())
        problem = f"HTTP {status} {said}".strip()
        if status not in _PASSING:
            break
    remedy = "look at the log of its pod" if ingress else "look at the log of its pod, or name the cluster's ingress"
    raise GraftError(f"{storage.redact(url)} does not answer ({problem}): {remedy}.")
