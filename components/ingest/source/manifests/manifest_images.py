"""The images that a manifest names: read one at a time, their versions listed where they lie together."""

import functools
import itertools
import logging
import math
import threading
from collections import Counter
from collections.abc import Iterable

from graft.components.common import storage
from graft.components.common.artifacts.lists.source_listing import SourceListing
from graft.components.common.errors import GraftError
from graft.components.ingest.source.image_files import read_file
from graft.components.ingest.source.layout import Layout
from graft.components.ingest.source.manifests.image_places import ImagePlaces

log = logging.getLogger("graft")

# For fewer images a folder isn't listed; and one of so many times more objects only in part.
_LEAST, _TIMES = 32, 4


class ManifestImages:
    """The images that a manifest names, as `ImageFiles`.

    Args:
        places: Where they lie.
        layout: What they are.
        listing: What was told of remote ones already; None for nothing.
    """

    def __init__(self, places: ImagePlaces, layout: Layout, listing: SourceListing | None = None) -> None:
        self._places, self._layout, self._told = places, layout, listing
        self._versions = _ListedVersions(places.find(image.path) for image in layout.images)

    def paths(self) -> list[str]:
        """Returns the paths of all images."""
        return [image.path for image in self._layout.images]

    def read(self, path: str) -> bytes:
        """Returns an image's bytes."""
        return self.read_as(path, "")[0]

    def read_as(self, path: str, version: str) -> tuple[bytes, str]:
        """Returns an image's bytes and their version."""
        uri = self._places.find(path)
        return read_file(uri, version, self._places.reach(uri))

    def is_remote(self, path: str) -> bool:
        """Whether an image lies elsewhere than on this machine's disks."""
        return storage.local_path(self._places.find(path)) is None

    def version(self, path: str) -> str:
        """Returns what changes when an image does, by a listing or a request where it is remote; nothing where nothing is known."""
        if self._told and (told := self._told.find(path)):
            return told[1]
        uri = self._places.find(path)
        if listed := self._versions.find(uri):
            return listed
        try:
            return storage.version(uri, self._places.reach(uri))
        except storage.FileError:
            return ""  # read will say why


class _ListedVersions:
    """The versions of images in buckets, as far as listings tell them. It may be used from several threads.

    Args:
        uris: Where all images lie. They are looked at when the first one is asked for.
    """

    def __init__(self, uris: Iterable[str]) -> None:
        self._uris = uris
        self._listed: dict[str, dict[str, str]] = {}
        self._lock = threading.Lock()

    def find(self, uri: str) -> str:
        """Returns the version of an image; empty if it has to be asked for by itself."""
        folder, _, name = uri.rpartition("/")
        with self._lock:
            if folder not in self._listed:
                self._listed[folder] = self._list(folder)
            return self._listed[folder].get(name, "")

    @functools.cached_property
    def _wanted(self) -> Counter[str]:
        """How many images lie in each folder."""
        return Counter(map(_folder, self._uris))

    def _list(self, folder: str) -> dict[str, str]:
        wanted, found = self._wanted[folder], dict[str, str]()
        if wanted < _LEAST:
            return found
        try:
            # Pages, not objects, are counted: one may hold nothing but folders.
            for page in itertools.islice(storage.list_pages(folder), math.ceil(_TIMES * wanted / storage.PAGE)):
                found |= page
        except GraftError as error:  # who may read an image may not always list its folder
            log.info("%s Graft asks for every image in %s by itself.", error, storage.redact(folder))
        return found


def _folder(uri: str) -> str:
    return uri.rpartition("/")[0]
