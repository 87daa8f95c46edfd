"""An image as a dataset stores it."""

from typing import NamedTuple

from PIL import Image


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
