"""Where the images lie that a manifest names: which it may name, and paths for them that hold no secret."""

import os
import re
from pathlib import Path

from graft.components.common import storage

# A manifest may name these, what is of its own kind, and, if it is a local file itself, local files. Others of fsspec's many
# file systems lead to this machine's files by a detour.
_SCHEMES = ("gs", "gcs", "s3", "s3a", "https", "http")
_LOCAL = ("file", "local")
_WEB = ("https", "http")
_QUERY = re.compile(r"[?#].*", re.DOTALL)
_WINDOWS = re.compile(r"[A-Za-z]:[\\/]|\\\\")


class ImagePlaces:
    """Where the images lie that a manifest names.

    Args:
        manifest: The manifest's path or URI.
        reach: Which addresses may be asked for what the operator names.

    Raises:
        GraftError: The URI's scheme is unknown.
    """

    def __init__(self, manifest: str, reach: storage.Reach = storage.Reach.NAMED) -> None:
        local = storage.local_path(manifest)
        self._is_local = local is not None
        self._scheme = "" if local else manifest.partition("://")[0]
        place = str(local or manifest)
        self._server, self._reach = _server(place), reach
        self._folder = (_QUERY.sub("", place) if self._scheme in _WEB else place).rpartition("/")[0]
        self._secret: dict[str, str] = {}  # by path, what the path alone doesn't lead to

    def add(self, uri: str) -> tuple[str, str]:
        """Takes an image.

        Returns:
            Its path, as written but for secrets, by which `find` finds it; and its place, but for secrets.

        Raises:
            ValueError: The manifest may not name it; the text says why.
        """
        place = self._locate(uri)
        if "://" not in place:
            return (place if "://" in uri else uri), place
        if "://" not in uri and self._scheme not in _WEB:  # a name in a bucket may hold anything
            return uri, place
        path = storage.redact(uri) if "://" in uri else _QUERY.sub("", uri)
        if path != uri:
            self._secret.setdefault(path, place)
        return path, storage.redact(place)

    def find(self, path: str) -> str:
        """Returns where an image lies, secrets included."""
        return self._secret.get(path) or self._locate(path)

    def reach(self, uri: str) -> storage.Reach:
        """Returns which addresses may be asked for an image: a remote manifest has no say over this machine's network.

        Args:
            uri: Where it lies, as `find` returns it.
        """
        own = self._is_local or self._reach is storage.Reach.ANY or _server(uri) == self._server
        return self._reach if own else storage.Reach.PUBLIC

    def is_at(self, path: str, uri: str) -> bool:
        """Whether the manifest's name for an image leads where a path leads, secrets included."""
        return self.find(path) == self._locate(uri)

    def _locate(self, uri: str) -> str:
        scheme, is_uri, _ = uri.partition("://")
        if is_uri and "::" in uri:
            raise ValueError("uri is a chain of URIs: write a plain one")
        if is_uri and self._is_local and scheme in _LOCAL:
            return str(storage.local_path(uri))
        if is_uri and scheme not in (*_SCHEMES, self._scheme):
            allowed = ", ".join(f"{name}://" for name in dict.fromkeys((*_SCHEMES, self._scheme or _LOCAL[0])))
            raise ValueError(f"uri begins with {scheme[:20]!r}, which this manifest can't name: write one of {allowed}")
        if is_uri:
            if "@" in _server(uri)[-1]:
                raise ValueError("uri holds a user name or password, which others could read: leave it out")
            return uri
        if _WINDOWS.match(uri):
            raise ValueError(
                f"uri {uri[:60]!r} is a path on a Windows machine, which can't be found here: write it relative to the manifest's folder, "
                "such as cats/1.jpg"
            )
        if "/" not in uri:
            uri = uri.replace("\\", "/")
        if self._is_local:
            return os.path.normpath(Path(self._folder) / uri)
        name = uri.removeprefix("./")
        if name.startswith("/") or ".." in name.split("/") or "::" in name:
            raise ValueError("uri leads out of the remote manifest's folder: write a path below it, or a whole URI")
        return f"{self._folder}/{name}"


def _server(uri: str) -> list[str]:
    """Returns a URI's scheme and server, as they are written."""
    return uri.split("/")[:3]
