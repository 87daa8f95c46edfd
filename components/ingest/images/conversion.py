"""Any image that Pillow reads, as upright 8-bit RGB or greyscale."""

import io
from typing import cast

from PIL import Image, ImageChops

from graft.components.common.compute.orientation import UPRIGHT, exif_orientation, turn

# These are stored as they are, if they are plainly well-formed. MPO is a JPEG with further ones behind it, as phones write.
KEPT_FORMATS = ("JPEG", "MPO", "PNG")
# Offset of the bit depth in a PNG's header (https://www.w3.org/TR/png/#11IHDR); Pillow reads any depth as 8-bit without a word.
_PNG_BIT_DEPTH = 24


def convert(image: Image.Image, content: bytes) -> tuple[Image.Image, tuple[str, ...]]:
    """Returns the image as upright 8-bit RGB or greyscale, and what had to be done for it."""
    conversions = []
    # Pillow takes the values of every CMYK JPEG for inverted, as Adobe's are.
    is_negative = image.mode == "CMYK" and image.format in KEPT_FORMATS and "adobe" not in image.info
    if image.format not in KEPT_FORMATS:
        conversions.append(str(image.format).lower())
    if image.format == "PNG" and image.mode in ("1", "L", "LA", "RGB", "RGBA") and content[_PNG_BIT_DEPTH] != 8:
        conversions.append(f"{content[_PNG_BIT_DEPTH]}-bit")
    if image.format != "MPO" and getattr(image, "is_animated", False):
        conversions.append("animated")
    if (lies := exif_orientation(image)) != UPRIGHT:
        image = turn(image, lies)
        conversions.append("rotated")
    if image.mode.startswith("I") or image.mode == "F":
        # Pillow clips 16-bit greyscale on conversion; scale it to 8 bits instead.
        _, high = cast("tuple[float, float]", image.getextrema())
        scale = 255 / 65535 if high > 255 or image.mode.startswith("I;16") else 1.0
        if image.mode == "F" and high <= 1:  # floating-point images usually go from 0 to 1
            scale = 255.0
        image = image.convert("F").point(lambda value: value * scale).convert("L")
        conversions.append("16-bit")
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
        image = (ImageChops.invert(image) if is_negative else image).convert("RGB")
    return image, tuple(conversions)


def as_png(image: Image.Image) -> bytes:
    """Returns the image as a PNG without a colour profile."""
    buffer = io.BytesIO()
    image.info.pop("icc_profile", None)
    image.save(buffer, "PNG")
    return buffer.getvalue()
