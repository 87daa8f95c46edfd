"""How an image lies by its EXIF data, and turning it upright; `exif_orientation` reads the same within a graph of TensorFlow."""

import struct

from PIL import Image

from graft.components.common.compute.images.encoded_parts import MAX_SEGMENTS

EXIF = b"Exif\0\0"
"""What EXIF data begins with in a JPEG's segment."""
UPRIGHT = 1

_JPEG = b"\xff\xd8"
_PREFIX, _APP1, _AFTER_SEGMENTS = 0xFF, 0xE1, (0xDA, 0xD9)
_BYTE_ORDERS = {b"II*\0": "<", b"MM\0*": ">"}
_TAG, _SHORT = 0x0112, 3
_ENTRY_BYTES = 12
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


def orientation(exif: bytes) -> int:
    """Returns how an image lies, 1 (upright) to 8 (Exif 3.0, section 4.6.5).

    Args:
        exif: A TIFF structure. Where it is malformed, the image counts as upright: the first directory has to lie within it, and to
            say the orientation once, as one SHORT of 1 to 8. Whatever else it says plays no part.
    """
    order = _BYTE_ORDERS.get(exif[:4])
    if not order or len(exif) < 8:
        return UPRIGHT
    (start,) = struct.unpack_from(f"{order}I", exif, 4)
    if not 8 <= start <= len(exif) - 2:
        return UPRIGHT
    (entries,) = struct.unpack_from(f"{order}H", exif, start)
    directory = exif[start + 2 : start + 2 + entries * _ENTRY_BYTES]
    if len(directory) != entries * _ENTRY_BYTES:
        return UPRIGHT
    match [entry[1:] for entry in struct.iter_unpack(f"{order}HHIH2x", directory) if entry[0] == _TAG]:
        case [(kind, 1, value)] if kind == _SHORT and value in _TURNS:
            return int(value)
    return UPRIGHT


def jpeg_exif(jpeg: bytes) -> bytes:
    """Returns the TIFF structure in a JPEG's first EXIF segment, as `encoded_parts` does in a graph; empty if none is before the scan."""
    position = len(_JPEG)
    for _ in range(MAX_SEGMENTS):
        prefix, marker = jpeg[position : position + 2].ljust(2, b"\0")
        size = int.from_bytes(jpeg[position + 2 : position + 4])
        if (prefix, marker) == (_PREFIX, _PREFIX):  # filled up
            position += 1
            continue
        if prefix != _PREFIX or marker in _AFTER_SEGMENTS or size < 2:
            break
        segment = jpeg[position + 4 : position + 2 + size]
        if marker == _APP1 and segment.startswith(EXIF):
            return segment.removeprefix(EXIF)
        position += 2 + size
    return b""


def turn(image: Image.Image, lies: int) -> Image.Image:
    """Turns an image upright.

    Args:
        image: The image.
        lies: Its orientation, 1 (upright) to 8.
    """
    return image.transpose(_TURNS[lies]) if lies in _TURNS else image


def upright(image: Image.Image) -> Image.Image:
    """Turns an image upright that Pillow has opened, by the EXIF data of its file."""
    return turn(image, exif_orientation(image))


def exif_orientation(image: Image.Image) -> int:
    """Returns how an image lies that Pillow has opened, by the EXIF data of its file."""
    return orientation((image.info.get("exif") or b"").removeprefix(EXIF))
