"""Paths and URIs: shown without the secrets that they hold, made absolute, and joined, and how far one may lead."""

import re
from enum import Enum
from pathlib import Path

from graft.components.common.errors import GraftError

_USER = re.compile(r"(?<=://)[^/?#]*@")
_SECRETS = re.compile(rf"{_USER.pattern}|[?#].*", re.DOTALL)
_BUCKETS = ("gs://", "gcs://", "s3://", "s3a://")
_QUERY = re.compile(r"\?\S*")
_URI_IN_TEXT = re.compile(r"[A-Za-z][\w+.-]+:/[^\s'\"<>\\]*")
# Clients name a URL also by its path and query alone.
_QUERY_IN_TEXT = re.compile(r"\?[\w.~%+-]+=[^\s'\"<>)]*")


class Reach(Enum):
    """Which addresses may be asked for a file on a web server. Buckets, local files and proxies are the operator's own choice."""

    NAMED = "named"
    """The one that the operator named, whatever it is; redirects from it lead to public addresses, or stay on the same server."""
    PUBLIC = "public"
    """Public ones alone: what names the file came from elsewhere."""
    ANY = "any"
    """All."""


def redact(uri: str) -> str:
    """Returns a URI without its user-info and query string, which may hold secrets; plain paths stay as they are."""
    if "://" not in uri:
        return uri
    if uri.startswith(_BUCKETS) and not is_chain(uri):  # ? and # are parts of an object's name
        return _USER.sub("", uri)
    return "::".join(_SECRETS.sub("", link) for link in uri.split("::"))  # fsspec chains URIs by "::"


def brief(error: BaseException) -> str:
    """Names an error by its class and first line, without what may be secret in the URIs that it speaks of."""
    lines = str(error).splitlines()
    # Some clients name a URL by its path and query alone.
    words = [_QUERY.sub("", redact(word)) for word in lines[0].split()] if lines else []
    return " ".join([type(error).__name__, *filter(None, words)]).rstrip(".")


def without_secrets(text: str) -> str:
    """Returns a text without what may be secret in the URIs in it."""
    # A URI that was taken for a path has lost a slash.
    uris_hidden = _URI_IN_TEXT.sub(lambda found: redact(re.sub("(?<=:)/(?!/)", "//", found[0], count=1)), text)
    return _QUERY_IN_TEXT.sub("", uris_hidden)


def uris_in_text(text: str) -> list[str]:
    """Returns the URIs in a text, such as JSON."""
    return _URI_IN_TEXT.findall(text)


def check_user(uri: str) -> None:
    """Refuses a URI with user-info, which lists of processes, logs and records would show.

    Raises:
        GraftError: It has one.
    """
    if "://" in uri and _USER.search(uri):
        raise GraftError(
            f"{redact(uri)} is named with a user name or password, which others could read: leave it out, and put it where "
            "docs/storage.md says (for a web server into ~/.netrc)."
        )


def absolute(uri: str) -> str:
    """Returns a path or URI in a form that means the same from any working folder, and holds no secrets.

    Raises:
        GraftError: It is empty.
    """
    if not uri.partition("://")[2 if "://" in uri else 0].strip("/"):
        raise GraftError(f"{uri!r} names no folder: name a path or a URI.")
    return (redact(uri) if "://" in uri else str(Path(uri).absolute())).rstrip("/")


def check_text(uri: str) -> None:
    """Refuses a path or URI that no record could or may hold, nor TensorFlow open.

    Raises:
        GraftError: It is no valid UTF-8, or holds a user name.
    """
    check_user(uri)
    try:
        uri.encode()
    except UnicodeEncodeError as error:
        raise GraftError(f"{redact(uri)!a} is no valid UTF-8: rename the file or folder.") from error


def join(folder: str, path: str) -> str:
    """Returns the path or URI of a file in a folder.

    Args:
        folder: The folder's path or URI; of a chain of URIs the first one leads to it.
        path: The file's path in it.
    """
    first, chained, rest = folder.partition("::") if is_chain(folder) else (folder, "", "")
    bare = first.rstrip("/")
    root = first if "://" in first and "://" not in bare else f"{bare}/"
    return f"{root}{path}{chained}{rest}"


def split_bucket(uri: str) -> tuple[str, str]:
    """Returns the URI of a bucket and the name of the object or folder in it; of what is in no bucket the whole URI and nothing."""
    if not uri.startswith(_BUCKETS) or is_chain(uri):
        return uri, ""
    scheme, _, path = uri.partition("://")
    bucket, _, name = path.partition("/")
    return f"{scheme}://{bucket}", name


def is_chain(uri: str) -> bool:
    """Whether a URI is one of fsspec's chains, such as `zip://a.jpg::https://host/photos.zip`, and no object's name with `::` in it."""
    names_object = uri.startswith(_BUCKETS) and "://" not in uri.rpartition("::")[2]
    return "://" in uri and "::" in uri and not names_object


def is_web(uri: str) -> bool:
    """Whether a URI names a file on a web server."""
    return uri.startswith(("http://", "https://")) and not is_chain(uri)
