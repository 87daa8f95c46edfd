"""Any image that Pillow reads, as upright 8-bit RGB or greyscale."""

import io
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageChops, ImageStat, TiffImagePlugin

from graft.components.common.compute.images.orientation import UPRIGHT, exif_orientation, jpeg_exif, orientation, turn
from graft.components.ingest.images.deep_colours import colours_as_8_bits
from graft.components.ingest.images.grey_levels import as_8_bits, is_deep
from graft.components.ingest.images.opacity import opaque_pixels

# MPO is a JPEG with further ones behind it, as phones write.
JPEG_FORMATS = ("JPEG", "MPO")
# These are stored as they are, if they are plainly well-formed.
KEPT_FORMATS = (*JPEG_FORMATS, "PNG")
BLANK = "blank"
"""What an image is called that came out nearly of one colour, though its file is not."""

_DETAIL = 1.5  # levels of 255 by which the pixels of an image deviate in which something can be seen
_OFTEN_EMPTY_ALPHA = ("BMP", "TIFF")  # Many programs leave the fourth byte of a pixel at 0, and no viewer minds it.
# Offset of the bit depth in a PNG's header (https://www.w3.org/TR/png/#11IHDR); Pillow reads any depth as 8-bit without a word.
_PNG_BIT_DEPTH = 24


class StoredImage(NamedTuple):
    """An image that TensorFlow decodes to the pixels that were judged.

    Attributes:
        encoded: JPEG or PNG bytes, 8-bit RGB or greyscale; a JPEG may have to be turned upright by its EXIF data.
        pixels: What it decodes to, upright; L, RGB or RGBX, which is RGB with a byte more.
        conversions: What was done to it, as `CheckedImage` has it.
    """

    encoded: bytes
    pixels: Image.Image
    conversions: tuple[str, ...]


def convert(image: Image.Image, content: bytes) -> tuple[Image.Image, tuple[str, ...]]:
    """Returns the image as upright 8-bit RGB or greyscale, and what had to be done for it."""
    conversions = []
    # Pillow takes the values of every CMYK JPEG for inverted, as Adobe's are: their marker is long enough to tell a transform.
    is_negative = image.mode == "CMYK" and image.format in KEPT_FORMATS and "adobe_transform" not in image.info
    if image.format not in KEPT_FORMATS:
        conversions.append(str(image.format).lower())
    bits = _bits(image, content)
    if image.format == "PNG" and image.mode in ("1", "L", "LA", "RGB", "RGBA") and bits != 8:
        conversions.append(f"{bits}-bit")
    is_animated = image.format != "MPO" and getattr(image, "is_animated", False)
    if is_animated:
        conversions.append("animated")
    # Pillow finds EXIF data also behind what other decoders stop at.
    lies = orientation(jpeg_exif(content)) if image.format in JPEG_FORMATS else exif_orientation(image)
    image_format = image.format
    seen = is_animated or has_detail(image)
    opaque = opaque_pixels(image, content, bits)
    if is_deep(image):
        image = as_8_bits(image)
        conversions.append("16-bit")
    elif bits == 16:
        image = colours_as_8_bits(image, content)
    if opaque:
        image.putalpha(opaque)
    if image_format in _OFTEN_EMPTY_ALPHA and image.mode in ("RGBA", "LA") and not image.getchannel("A").getbbox():
        image = image.convert(image.mode[:-1])
    if lies != UPRIGHT:
        image = turn(image, lies)
        conversions.append("rotated")
    if image.mode in ("RGBA", "LA", "PA", "RGBa", "La") or "transparency" in image.info:
        with_alpha = image.convert("RGBA")
        background = Image.new("RGBA", image.size, "white")
        image = Image.alpha_composite(background, with_alpha).convert("RGB")
        conversions.append("alpha")
    if image.mode in ("L", "1"):
        conversions.append("greyscale")
        image = image.convert("L")
    elif image.mode != "RGB":
        conversions.append({"P": "palette"}.get(image.mode, image.mode.lower()))
        is_printed = image.mode == "CMYK" and image_format in JPEG_FORMATS
        image = _light(image, is_negative) if is_printed else image.convert("RGB")
    if seen and not has_detail(image):
        conversions.append(BLANK)
    return image, tuple(conversions)


def _light(image: Image.Image, is_negative: bool) -> Image.Image:
    """Returns what ink leaves of white, in RGB, rounded down as TensorFlow does for JPEGs; it is that already if it is negative."""
    *colours, black = (image if is_negative else ImageChops.invert(image)).split()
    return Image.merge("RGB", [ImageChops.multiply(colour, black) for colour in colours])


def has_detail(image: Image.Image) -> bool:
    """Whether something can be told from the rest in an image, be it by its alpha; any different values of more than 8 bits can."""
    if is_deep(image):
        values = np.asarray(image)
        return bool((values != values.flat[0]).any())
    if image.mode in ("P", "PA"):
        image = image.convert("RGBA")
    return any(deviation > _DETAIL for deviation in ImageStat.Stat(image).stddev)


def _bits(image: Image.Image, content: bytes) -> int:
    """Returns the bits of a channel in a PNG's or TIFF's file; 8 for other formats."""
    if isinstance(image, TiffImagePlugin.TiffImageFile):
        return int(image.tag_v2.get(TiffImagePlugin.BITSPERSAMPLE, (1,))[0])
    return content[_PNG_BIT_DEPTH] if image.format == "PNG" else 8


def as_png(image: Image.Image) -> bytes:
    """Returns the image as a PNG without a colour profile."""
    buffer = io.BytesIO()
    image.info.pop("icc_profile", None)
    image.save(buffer, "PNG")
    return buffer.getvalue()
