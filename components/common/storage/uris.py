"""URIs and errors as they may be shown: without the secrets that they hold."""

import re

_SECRETS = re.compile(r"(?<=://)[^/?#]*@|[?#].*", re.DOTALL)
_QUERY = re.compile(r"\?\S*")


def redact(uri: str) -> str:
    """Returns a URI without its user-info and query string, which may hold secrets; plain paths stay as they are."""
    if "://" not in uri:
        return uri
    return "::".join(_SECRETS.sub("", link) for link in uri.split("::"))  # fsspec chains URIs by "::"


def brief(error: BaseException) -> str:
    """Names an error by its class and first line, without what may be secret in the URIs that it speaks of."""
    lines = str(error).splitlines()
    # Some clients name a URL by its path and query alone.
    words = [_QUERY.sub("", redact(word)) for word in lines[0].split()] if lines else []
    return " ".join([type(error).__name__, *filter(None, words)]).rstrip(".")
