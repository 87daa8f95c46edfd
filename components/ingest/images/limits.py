"""What an image may not exceed, which is checked on its header, before anything is decoded."""

import re

from graft.components.common.compute.decoding import MAX_PIXELS, MAX_SIDE

# A progressive JPEG has about ten scans. Each is a pass over all pixels for as little as 31 bytes: a bomb has thousands.
MAX_SCANS = 100
# The header of a scan. It has the length that its number of components asks for, or no decoder takes it (ITU-T T.81, B.2.3).
JPEG_SCAN = re.compile(rb"\xff\xda\x00(?:\x08\x01|\x0a\x02|\x0c\x03|\x0e\x04)")


class BadImageError(Exception):
    """A file is no image that can be used; its text is the reason."""


class NoRoomError(BadImageError):
    """There is too little memory here to decode an image, which is no fault of the file."""


def check_size(width: int, height: int) -> None:
    """Checks how many pixels an image has.

    Raises:
        BadImageError: It has too many.
    """
    if width > MAX_SIDE or height > MAX_SIDE or width * height > MAX_PIXELS:
        raise BadImageError(
            f"has {width}×{height} pixels, more than {MAX_SIDE} a side or {MAX_PIXELS // 10**6} million"
        )


def check_scans(jpeg: bytes) -> None:
    """Checks how many scans a JPEG has.

    Args:
        jpeg: Its bytes, up to its end as far as that is known.

    Raises:
        BadImageError: It has too many.
    """
    if len(JPEG_SCAN.findall(jpeg)) > MAX_SCANS:
        raise BadImageError(f"has more than {MAX_SCANS} scans, like a decompression bomb")
