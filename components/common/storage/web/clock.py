"""Whether this machine's clock is right, by what a web server tells."""

import email.utils
import time
from urllib.parse import urlsplit

import requests

from graft.components.common.findings import Finding
from graft.components.common.storage.uris import Reach
from graft.components.common.storage.web.client import ask

# Clouds refuse requests and tokens that are some minutes off; a header tells whole seconds, and its answer may take some.
_MOST_SECONDS = 60


def look_at_clock(url: str) -> Finding:
    """Tells how far this machine's clock is off from a web server's.

    Args:
        url: An address of the server, whatever it answers.
    """
    host = urlsplit(url).hostname
    try:
        date = _date(url)
        told = email.utils.parsedate_to_datetime(date).timestamp()
    except (requests.RequestException, OSError, ValueError, OverflowError) as error:
        text = f"{host} doesn't tell the time ({type(error).__name__}), so the clock is unchecked"
        return Finding("Clock", False, text, "Set it by NTP if you are in doubt.", needed=False)
    ahead = time.time() - told
    if abs(ahead) <= _MOST_SECONDS:
        return Finding("Clock", ok=True, text=f"agrees with {host}'s to {_MOST_SECONDS} seconds")
    text = f"{abs(ahead):,.0f} seconds {'ahead of' if ahead > 0 else 'behind'} {host}'s"
    return Finding("Clock", False, text, "Set it by NTP: clouds refuse tokens and requests from another time.")


def _date(url: str) -> str:
    try:
        with ask(url, Reach.NAMED, {"Range": "bytes=0-0"}) as response:
            return str(response.headers.get("Date", ""))
    except requests.HTTPError as error:  # a refusal has a date as well
        return str(error.response.headers.get("Date", ""))
