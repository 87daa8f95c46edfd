"""The memory that all decoders share: a few kilobytes can be an image of gigabytes, and there is a decoder a core."""

import threading
from types import TracebackType
from typing import Any, Self

from graft.components.common.compute.machine import decoding_memory
from graft.components.ingest.images.limits import NoRoomError, check_size

_UNIT = 32 * 2**20
JPEG_PIXEL, PIXEL = 16, 28
"""Bytes that a pixel may take until an image is checked: of a plain JPEG, and of any other. Measured were up to 13 and 27."""


class DecodingRoom:
    """Bytes that decoders take before they decode and give back after it.

    Args:
        size: The bytes.
        locks: Makes the locks: `threading`, or a context of `multiprocessing` for decoders in several processes.
    """

    def __init__(self, size: int, locks: Any = threading) -> None:
        self._units = max(1, size // _UNIT)
        self._turn, self._free = locks.Lock(), locks.Semaphore(self._units)

    def take(self, size: int) -> int:
        """Waits until so many bytes are free.

        Returns:
            What to give back.

        Raises:
            NoRoomError: There are never so many.
        """
        units = -(-size // _UNIT)
        if units > self._units:
            raise NoRoomError(
                f"takes up to {size / 2**30:.1f} GiB to decode: give the step {2 * size / 2**30:.0f} GiB of memory or more"
            )
        with self._turn:  # of two that wait, the second gets none before the first has all
            for _ in range(units):
                self._free.acquire()
        return units

    def give_back(self, units: int) -> None:
        """Gives back what was taken."""
        for _ in range(units):
            self._free.release()


_room: list[DecodingRoom] = []  # of this process, which it may share with others
_making = threading.Lock()


def share(room: DecodingRoom) -> None:
    """Makes the decoders of this process take their memory from a room."""
    _room[:] = [room]


def _room_here() -> DecodingRoom:
    with _making:
        if not _room:
            share(DecodingRoom(decoding_memory()))
        return _room[0]


class DecodedImage:
    """The memory of one image while it is decoded, as a context manager."""

    def __init__(self) -> None:
        self._taken = 0

    def take(self, width: int, height: int, pixel: int = PIXEL) -> None:
        """Takes the memory for an image, in place of what was taken before.

        Args:
            width: Its width in pixels.
            height: Its height in pixels.
            pixel: Bytes that a pixel takes.

        Raises:
            BadImageError: It has too many pixels, or takes more memory than there is.
        """
        check_size(width, height)
        self._give_back()
        self._taken = _room_here().take(width * height * pixel)

    def _give_back(self) -> None:
        if self._taken:
            _room_here().give_back(self._taken)
        self._taken = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._give_back()
