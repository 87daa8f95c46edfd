"""Reading, writing and deleting a file at a path or URI. Each tries again while trouble passes.

Where it doesn't pass, they raise a GraftError: a `MissingError` if there is no such file, a `FileError` if only this one is at fault.
"""

import contextlib
import io
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from graft.components.common.storage.entries import content_version, versions_of
from graft.components.common.storage.gcs import LARGE, is_gcs, upload_to_gcs
from graft.components.common.storage.listing import list_files
from graft.components.common.storage.local import open_local, remove_folder, replacing
from graft.components.common.storage.looking import local_version, version
from graft.components.common.storage.places import Place, locate
from graft.components.common.storage.transfers.ranges import open_ranges
from graft.components.common.storage.troubles.access import FileError, access, too_large
from graft.components.common.storage.troubles.retries import CONTENT_SECONDS, http_status, persist, request
from graft.components.common.storage.uris import Reach, is_web

_AHEAD = 5 * 2**20
_PART = 16 * 2**20
_NO_SUCH_RANGE = 416


def read(uri: str, most: int | None = None, reach: Reach = Reach.NAMED) -> bytes:
    """Returns a file's bytes.

    Args:
        uri: Its path or URI.
        most: How many bytes it may have; None for any number, but for 1 GiB from a web server.
        reach: Which addresses may be asked for it, if it is on a web server.

    Raises:
        FileError: It has more than `most` bytes, of which no more than that are read.
    """
    place = locate(uri, reach)
    with access(uri):
        if place.local:
            with open_local(place.local) as file:
                return _whole(uri, file, most)
        content = persist(lambda: _read(uri, place, most))
    return _bounded(uri, content, most)


def _whole(uri: str, file: io.BufferedReader, most: int | None) -> bytes:
    size = os.fstat(file.fileno()).st_size
    if most is not None and size > most:
        raise too_large(uri, most)
    # Python sets aside what it is asked to read: no more than the file has, but for one byte that it may have grown by.
    return _bounded(uri, file.read() if most is None else file.read(size + 1), most)


def _bounded(uri: str, content: bytes, most: int | None) -> bytes:
    if most is not None and len(content) > most:
        raise too_large(uri, most)
    return content


def _read(uri: str, place: Place, most: int | None) -> bytes:
    limits = {} if most is None else {"most": most} if is_web(uri) else {"start": 0, "end": most + 1}
    try:
        return bytes(request(place.fs, "cat_file", place.path, seconds=CONTENT_SECONDS, **limits))
    except Exception as error:  # gcsfs has its own
        if most is not None and http_status(error) == _NO_SUCH_RANGE:  # there is no first byte
            return b""
        raise


def read_as(uri: str, told: str, most: int, reach: Reach = Reach.NAMED) -> tuple[bytes, str]:
    """Returns a file's bytes and their version.

    Args:
        uri: Its path or URI.
        told: The version that was told of it before; empty for none.
        most: How many bytes it may have.
        reach: Which addresses may be asked for it, if it is on a web server.

    Returns:
        The bytes; and the version that was told, if they are of it. Else the file has changed since then: a web server tells the new
        version with the bytes, and of others, which may have changed once more meanwhile, it is empty.

    Raises:
        FileError: It has more than `most` bytes, of which no more than that are read.
    """
    if is_web(uri):
        place = locate(uri, reach)
        with access(uri):
            content, answer = persist(lambda: place.fs.cat_told(place.path, most))
        # A server may tell the size with a part of a file alone, or with the whole one alone.
        versions = [content_version(answer | {"size": size}) for size in (answer["size"], len(content), None)]
        return content, told if told in versions else versions[0]
    place = locate(uri, reach)
    if place.local:
        with access(uri), open_local(place.local) as file:
            content = _whole(uri, file, most)
            # That of the file that was read: what lies in its place by now may be another one.
            return content, told if told == local_version(os.fstat(file.fileno())) else ""
    content = read(uri, most, reach)
    if not told or told in versions_of(content):
        return content, told
    try:
        return content, told if version(uri) == told else ""
    except FileError:
        return content, ""


@contextlib.contextmanager
def open(uri: str, ahead: int = _AHEAD, reach: Reach = Reach.NAMED) -> Iterator[io.BufferedReader]:
    """Opens a file for reading at any position, in binary.

    Args:
        uri: Its path or URI.
        ahead: How many bytes of a remote file one request brings.
        reach: Which addresses may be asked for it, if it is on a web server.
    """
    place = locate(uri, reach)
    with contextlib.ExitStack() as opened:
        with access(uri):
            if place.local:
                file: io.BufferedReader = opened.enter_context(open_local(place.local))
            elif (told := place.info()).get("size") is None or not told.get("ranges", True):
                file = opened.enter_context(persist(lambda: place.fs.open(place.path, "rb")))
                opened.enter_context(access(uri))
            else:
                file = opened.enter_context(open_ranges(uri, place, int(told["size"]), ahead))
        yield file


def write(uri: str, content: bytes) -> None:
    """Writes a file as a whole: no reader ever sees a part of it.

    Args:
        uri: The file's path or URI; folders that it is in are made.
        content: Its bytes.
    """
    place = locate(uri)
    with access(uri, "write"):
        if place.local:
            with replacing(place.local) as file:
                file.write(content)
        elif is_gcs(uri) and len(content) > LARGE:
            upload_to_gcs(io.BytesIO(content), len(content), place.path)
        else:
            _make_folders(place)
            # An object is there once it is whole.
            persist(lambda: request(place.fs, "pipe_file", place.path, content, seconds=CONTENT_SECONDS))


def put(path: Path, uri: str) -> None:
    """Copies a local file, whatever its size, to a path or URI; there it is whole or not there at all.

    Args:
        path: The file.
        uri: Where it goes; what is there is replaced. Folders that it is in are made.
    """
    with access(str(path)):
        source = path.open("rb")
    place = locate(uri)
    with source, access(uri, "write"):
        if place.local:
            with replacing(place.local) as file:
                shutil.copyfileobj(source, file)
        elif is_gcs(uri):
            upload_to_gcs(source, path.stat().st_size, place.path)
        else:
            _make_folders(place)
            persist(lambda: place.fs.put_file(str(path), place.path, **_parts(place)))


def _parts(place: Place) -> dict[str, int]:
    """Returns how a file is sent in parts, each of which has its time: s3fs would have 10 parts of 50 MiB in memory."""
    return {"chunksize": _PART, "max_concurrency": 1} if "s3" in place.fs.protocol else {}


def _make_folders(place: Place) -> None:
    persist(lambda: request(place.fs, "makedirs", place.path.rpartition("/")[0], exist_ok=True))


def delete(uri: str) -> None:
    """Deletes a file, unless another process was first."""
    place = locate(uri)
    with access(uri, "write"), contextlib.suppress(FileNotFoundError):
        if place.local:
            place.local.unlink()
        else:
            persist(lambda: request(place.fs, "rm_file", place.path))


def delete_folder(uri: str) -> None:
    """Deletes a folder and all files below it."""
    if local := locate(uri).local:
        with access(uri, "write"):
            remove_folder(local)
    else:
        for file in list_files(uri):
            delete(file.uri)
