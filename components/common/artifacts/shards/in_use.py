"""Which shards of a store steps rely on, and which ones `graft gc` is about to delete, so that neither misses the other.

A step announces what it relies on, and then looks at what is condemned. `graft gc` condemns, and then looks at what is relied on. Whoever
is later sees the other (Dekker's algorithm), on every storage that shows a file as soon as it is written.
"""

import contextlib
import logging
import re
import time
from collections.abc import Iterable, Iterator
from uuid import uuid4

from graft.components.common import storage
from graft.components.common.artifacts.dataset import Dataset
from graft.components.common.ending import undone
from graft.components.common.errors import GraftError

IN_USE, CONDEMNED = "in-use", "condemned"
ANNOUNCEMENT = re.compile(rf"shards/({IN_USE}|{CONDEMNED})/[0-9a-f]{{32}}")
"""Path of an announcement within a store."""
COUNTS_SECONDS = 7 * 24 * 60 * 60
"""How long an announcement counts: one that is older is a killed process's."""

log = logging.getLogger("graft")


@contextlib.contextmanager
def announced(folder: str, kind: str, names: Iterable[str]) -> Iterator[str]:
    """Announces shards for as long as the context lasts.

    Args:
        folder: Path or URI of the folder that holds them.
        kind: `IN_USE` or `CONDEMNED`.
        names: The shards' names.

    Yields:
        Path or URI of the announcement.

    Raises:
        GraftError: The store can't be written.
    """
    uri = f"{folder}/{kind}/{uuid4().hex}"

    def remove() -> None:
        try:
            storage.delete(uri)
        except GraftError as error:  # what the step has made is not to be lost for this
            log.warning("%s can't be removed, and counts for seven days: %s", storage.redact(uri), error)

    with undone(remove):
        storage.write(uri, "\n".join(names).encode())
        try:
            yield uri
        finally:
            remove()


def announcements(folder: str, kind: str) -> set[str]:
    """Returns the names of the shards that are announced now.

    Args:
        folder: Path or URI of the folder that holds them.
        kind: `IN_USE` or `CONDEMNED`.

    Raises:
        GraftError: The store can't be read.
    """
    names: set[str] = set()
    for file in storage.list(f"{folder}/{kind}"):
        if file.written_at > time.time() - COUNTS_SECONDS:
            with contextlib.suppress(storage.MissingError):  # its process has just ended
                names.update(storage.read(file.uri).decode(errors="replace").splitlines())
    return names


@contextlib.contextmanager
def in_use(dataset: Dataset) -> Iterator[None]:
    """Keeps `graft gc` from deleting a Dataset's shards from their store while they are read.

    Where the store may only be read, gc can't be told, and the log says so.

    Raises:
        GraftError: gc is deleting them at this moment.
    """
    folders: dict[str, list[str]] = {}
    for shard in dataset.shards:
        folder, _, name = shard.uri.rpartition("/")
        if folder and _is_here(folder):  # else it lies in the Dataset's own directory
            folders.setdefault(folder, []).append(name)
    with contextlib.ExitStack() as announcing:
        for folder, names in folders.items():
            try:
                announcing.enter_context(announced(folder, IN_USE, names))
            except GraftError as error:  # an account, or a drive, for reading only
                log.info("graft gc can't be told that shards in %s are in use: %s", storage.redact(folder), error)
                continue
            if gone := announcements(folder, CONDEMNED).intersection(names):
                raise GraftError(
                    f"graft gc is at work on images of {dataset.path} ({storage.redact(folder)}/{min(gone)}): try again when it has "
                    f"ended; if it was killed, remove {storage.redact(folder)}/{CONDEMNED}."
                )
        yield


def _is_here(folder: str) -> bool:
    """Whether there may be a folder: a Dataset that came from another machine names one that isn't here, and none is to be made."""
    local = storage.local_path(folder)
    return local is None or local.is_dir()
