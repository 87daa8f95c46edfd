"""Where images are decoded: in threads where they are few, in a process a core where they are many.

Python's lock lets threads decode at about half the speed of processes, which take a second to start.
"""

import contextlib
import dataclasses
import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from types import ModuleType

from graft.components.common.compute.machine import cores, decoding_memory
from graft.components.common.errors import GraftError
from graft.components.ingest.images.checked_image import CheckedImage, check_image
from graft.components.ingest.images.decoding_room import DecodingRoom, share
from graft.components.ingest.images.limits import BadImageError, NoRoomError
from graft.components.ingest.images.thumbnails import partial_thumbnail

_MANY = 1_000


@dataclasses.dataclass(frozen=True, slots=True)
class Undecodable:
    """A file that is no usable image.

    Attributes:
        reason: Why not.
        thumbnail: JPEG of what could be decoded of it; None if nothing could.
        for_good: Whether it will be none the next time, unless it changes.
    """

    reason: str
    thumbnail: bytes | None
    for_good: bool = True


def check_contents(contents: Sequence[bytes]) -> list[CheckedImage | Undecodable]:
    """Checks images, wherever this is called, by their files' bytes.

    Returns:
        The images; without their encoded bytes where these are the file's own, which need not travel twice.
    """
    return [_check(content) for content in contents]


def _check(content: bytes) -> CheckedImage | Undecodable:
    try:
        image = check_image(content)
    except NoRoomError as error:
        return Undecodable(str(error), None, for_good=False)
    except BadImageError as error:
        return Undecodable(str(error), partial_thumbnail(content))
    return dataclasses.replace(image, encoded=b"") if image.encoded == content else image


@contextlib.contextmanager
def decoders(images: int) -> Iterator[Executor]:
    """Starts what checks images.

    Yields:
        An executor for `check_contents`, which uses all cores.

    Raises:
        GraftError: A process of it was killed.
    """
    pool = ThreadPoolExecutor(cores()) if images < _MANY else _processes()
    try:
        yield pool
    except BrokenProcessPool as error:
        raise GraftError(
            "A process that decodes images was killed, probably because memory ran out: give the step more memory."
        ) from error
    finally:
        pool.shutdown(cancel_futures=True)


def _processes() -> ProcessPoolExecutor:
    """Starts a process a core. They are not forked, since other threads may hold locks at that moment."""
    count = cores()
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(count, context, _set_up_process, (DecodingRoom(decoding_memory(), context),))
    main = sys.modules["__main__"]
    # Each would import the main module again: a script that calls ingest without a guard would begin anew in each, and the command
    # `graft` would be imported in each, which takes 1.3 CPU seconds (ingest of 3,000 photographs: 8.5 s with this, 9.9 s without).
    sys.modules["__main__"] = ModuleType("__main__")
    try:
        for _ in range(count):
            pool.submit(os.getpid)
    finally:
        sys.modules["__main__"] = main
    return pool


def _set_up_process(room: DecodingRoom) -> None:
    """Shares the memory, leaves Ctrl-C to the main process, and ends with it, even if that is killed outright."""
    share(room)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    if parent := multiprocessing.parent_process():
        parent.join()
        os._exit(1)
