"""JPEGs that every decoder reads alike: whole, of a common kind, and cut at their own end (ITU-T T.81, annex B)."""

import re
from collections.abc import Iterator
from typing import NamedTuple

import simplejpeg
from PIL import Image

from graft.components.common.compute.images.orientation import EXIF, UPRIGHT, orientation, turn
from graft.components.ingest.images.conversion import StoredImage
from graft.components.ingest.images.decoding_room import JPEG_PIXEL, DecodedImage
from graft.components.ingest.images.limits import check_scans

_START = b"\xff\xd8"
_PREFIX, _SCAN, _END, _APP1 = 0xFF, 0xDA, 0xD9, 0xE1
# Baseline, extended and progressive, by Huffman's coding. TensorFlow decodes no lossless, hierarchical or arithmetic ones.
_FRAMES = (0xC0, 0xC1, 0xC2)
# Tables of Huffman's codes and of quantization, the restart interval, a comment, and what applications add.
_OTHERS = {0xC4, 0xDB, 0xDD, 0xFE, *range(0xE0, 0xF0)}
_ALL = 2**64 - 1  # coefficients of a component
# Ends the coded data of a scan: not a stuffed byte, not a restart, and not a filling one.
_MARKER = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")


class _Segments(NamedTuple):
    """What a JPEG says besides its pixels, and where it ends."""

    width: int
    height: int
    components: int
    exif: bytes
    end: int


def plain_jpeg(content: bytes, memory: DecodedImage) -> StoredImage | None:
    """Decodes a JPEG that is plainly well-formed: its segments are known ones and follow each other, and its data are complete.

    What lies behind its end, a video or a further picture, is cut off. It is stored as it lies, its EXIF data saying how.

    Args:
        content: The file.
        memory: Takes what the image needs.

    Returns:
        The image; None if the file is no such JPEG.

    Raises:
        BadImageError: It has too many pixels or scans.
    """
    segments = _read_segments(content)
    if not segments:
        return None
    jpeg = content[: segments.end]
    memory.take(segments.width, segments.height, JPEG_PIXEL)
    check_scans(jpeg)
    grey = segments.components == 1
    try:
        # The same library is behind Pillow and TensorFlow, and gives the same pixels. Here it tells what it had to overlook.
        pixels = simplejpeg.decode_jpeg(jpeg, "GRAY" if grey else "RGBX", strict=True)
    except ValueError:
        return None
    mode = "L" if grey else "RGBX"
    image = Image.frombuffer(mode, (segments.width, segments.height), pixels, "raw", mode, 0, 1)
    lies = orientation(segments.exif)
    conversions = [name for name, is_so in (("rotated", lies != UPRIGHT), ("greyscale", grey)) if is_so]
    return StoredImage(jpeg, turn(image, lies), tuple(conversions))


def _read_segments(content: bytes) -> _Segments | None:
    """Returns what a JPEG's segments say; None if they don't lead to its end, or one is not of a common kind."""
    frame, exif, scanned = b"", None, False
    missing: dict[int, int] = {}  # by component, a bit a coefficient
    for marker, segment, end in _follow(content):
        if marker in _FRAMES and not frame and len(segment) >= 6:
            frame = segment
            if frame[0] != 8 or frame[5] not in (1, 3):  # bits, components
                return None
            missing = dict.fromkeys(frame[6::3], _ALL)
        elif marker == _SCAN and frame and len(segment) >= 4:
            scanned = True
            first, last, bits = segment[-3:]
            if not bits & 15:  # none is left for a later scan
                told = (2 << last) - 1 >> first << first
                missing |= {component: missing.get(component, 0) & ~told for component in segment[1:-3:2]}
        elif marker == _END and frame and not any(missing.values()):
            width, height = int.from_bytes(frame[3:5]), int.from_bytes(frame[1:3])
            return _Segments(width, height, frame[5], exif or b"", end)
        elif marker == _APP1 and segment.startswith(EXIF) and not scanned:
            exif = segment.removeprefix(EXIF) if exif is None else exif
        elif marker not in _OTHERS:
            return None
    return None


def _follow(content: bytes) -> Iterator[tuple[int, bytes, int]]:
    """Yields marker, content and end of a JPEG's segments, each scan with its coded data skipped, to its end or where none follows."""
    position = len(_START) if content.startswith(_START) else len(content)
    while position + 2 <= len(content) and content[position] == _PREFIX:
        marker, start = content[position + 1], position + 4
        if marker == _END:
            yield marker, b"", position + 2
            return
        position = start - 2 + int.from_bytes(content[start - 2 : start])
        yield marker, content[start:position], position
        if marker == _SCAN:
            found = _MARKER.search(content, position)
            position = found.start() if found else len(content)
