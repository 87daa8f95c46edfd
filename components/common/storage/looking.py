"""Looking at what lies at a path or URI, without reading it. Like the verbs, it tries again while trouble passes."""

import os

from graft.components.common.storage.entries import Entry, local_entry, remote_entry
from graft.components.common.storage.listing import holds_files
from graft.components.common.storage.places import locate
from graft.components.common.storage.troubles.access import FileError, MissingError, access
from graft.components.common.storage.uris import Reach, is_web


def stat(uri: str, reach: Reach = Reach.NAMED) -> Entry:
    """Returns what the storage tells of a file or folder as it is now, without reading it.

    Args:
        uri: Its path or URI.
        reach: Which addresses may be asked for it, if it is on a web server.
    """
    place = locate(uri, reach)
    with access(uri):
        if place.local:
            return local_entry(uri, "", place.local.stat())
        return remote_entry(uri, "", place.info())


def is_folder(uri: str) -> bool:
    """Whether there is a folder. A bucket may hold an object of a folder's name as well: there it is the folder that counts.

    A web server has none, and isn't asked.
    """
    if is_web(uri):
        return False
    if stat(uri).is_folder:
        return True
    try:
        return holds_files(uri)
    except FileError:  # who may read an object may not always list its bucket
        return False


def exists(uri: str) -> bool:
    """Whether there is a file or folder."""
    try:
        stat(uri)
    except MissingError:
        return False
    return True


def version(uri: str, reach: Reach = Reach.NAMED) -> str:
    """Returns what changes whenever a file's content does, without reading it; empty where nothing such is told.

    Of a remote file it is the storage's checksum, generation or strong entity tag; of a local one its size, its time of change
    and its number on the disk.

    Args:
        uri: Its path or URI.
        reach: Which addresses may be asked for it, if it is on a web server.
    """
    if local := locate(uri).local:
        with access(uri):
            return local_version(local.stat())
    return stat(uri, reach).version


def local_version(status: os.stat_result) -> str:
    """Returns the version of a local file whose status is known."""
    # The time of the last change of content or name: unlike that of modification, no program can set it.
    return f"{status.st_size}-{status.st_ctime_ns}-{status.st_ino}"
