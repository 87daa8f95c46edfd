"""The versions of many images, by listings of the folders that they lie in: a request a thousand images, not one each."""

import functools
import itertools
import logging
import math
import threading
from collections import Counter
from collections.abc import Iterable

from graft.components.common import storage
from graft.components.common.errors import GraftError
from graft.components.common.storage.listing import PAGE

log = logging.getLogger("graft")

# For fewer images a folder isn't listed; and one of so many times more objects only in part.
_LEAST, _TIMES = 32, 4


class ListedVersions:
    """The versions of images in buckets, as far as listings tell them. It may be used from several threads.

    Args:
        uris: Where all images lie. They are looked at when the first one is asked for.
    """

    def __init__(self, uris: Iterable[str]) -> None:
        self._uris = uris
        self._listed: dict[str, dict[str, str]] = {}
        self._lock = threading.Lock()

    def find(self, uri: str) -> str:
        """Returns the version of an image; empty if it has to be asked for by itself.

        Args:
            uri: Where it lies.
        """
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
            for page in itertools.islice(storage.list_pages(folder), math.ceil(_TIMES * wanted / PAGE)):
                found |= page
        except GraftError as error:  # who may read an image may not always list its folder
            log.info("%s Every image in %s is asked for by itself.", error, storage.redact(folder))
        return found


def _folder(uri: str) -> str:
    return uri.rpartition("/")[0]
