"""Thumbnails of images, also of damaged ones as far as they can be decoded."""

import contextlib
import io
from typing import cast

from PIL import Image, ImageFile

from graft.components.common.compute.images.orientation import exif_orientation, turn
from graft.components.ingest.images.checked_image import FORMATS, JPEG_END
from graft.components.ingest.images.conversion import JPEG_FORMATS
from graft.components.ingest.images.decoding_room import DecodedImage
from graft.components.ingest.images.gif import without_comments
from graft.components.ingest.images.grey_levels import as_8_bits, is_deep
from graft.components.ingest.images.limits import check_scans

SIDE = 128
MAX_PICTURED = 500
"""Of unusable files, so many have a thumbnail at most."""
_QUALITY = 70
_JPEG_START = b"\xff\xd8"


def thumbnail(content: bytes) -> bytes | None:
    """Returns an image as a JPEG of at most 128 pixels a side, upright, on white; None if it can't be decoded."""
    try:
        with DecodedImage() as memory:
            return _encode(_shrink(_open(content, memory)))
    except Exception:  # Pillow's decoders raise whatever a damaged file drives them to.
        return None


def partial_thumbnail(content: bytes) -> bytes | None:
    """Returns what can be seen of a damaged image as a thumbnail; None if that is nothing.

    It never raises, may be called from several threads, and decodes no more than the check of a whole image would.

    Args:
        content: The encoded image, cut off or damaged.
    """
    try:
        # With an end put to it, libjpeg takes what is missing for grey, also where a progressive JPEG was cut.
        with DecodedImage() as memory:
            image = _open(content + JPEG_END if content.startswith(_JPEG_START) else content, memory)
            with contextlib.suppress(Exception):
                image.load()
            image.tile = []  # What failed to load is kept as far as it came, rather than tried again.
            shown = _shrink(image)
        seen = any(low != high for low, high in cast("tuple[tuple[int, int], ...]", shown.getextrema()))
        return _encode(shown) if seen else None
    except Exception:
        return None


def _open(content: bytes, memory: DecodedImage) -> ImageFile.ImageFile:
    """Reads an image's header, set to decode no more than needed.

    Raises:
        BadImageError: The image is too large to decode.
    """
    image = Image.open(io.BytesIO(without_comments(content)), formats=FORMATS)
    memory.take(image.width, image.height)
    if image.format in JPEG_FORMATS:
        check_scans(content)
    image.draft(None, (2 * SIDE, 2 * SIDE))
    return image


def _shrink(image: Image.Image) -> Image.Image:
    """Returns the image as a small RGB picture, upright, on white."""
    lies = exif_orientation(image)
    if is_deep(image):
        image = as_8_bits(image)
    elif image.mode in ("P", "PA", "1") or "transparency" in image.info:
        image = image.convert("RGBA")  # Pillow shrinks palettes by leaving pixels out.
    image.thumbnail((SIDE, SIDE))
    image = turn(image, lies)
    if image.mode in ("RGBA", "LA", "RGBa", "La"):
        with_alpha = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), with_alpha)
    return image.convert("RGB")


def _encode(image: Image.Image) -> bytes:
    image.info = {}  # A colour profile may weigh more than the picture.
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=_QUALITY)
    return buffer.getvalue()
