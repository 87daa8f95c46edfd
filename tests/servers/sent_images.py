"""Images as they are sent to servers: such as they must answer, and such as they must refuse and go on."""

import io

import numpy as np
from PIL import Image

from graft.components.export.acceptance.made_images import make_images, unreadable_images

# A word of the model's reason, in their order.
_REASONS = ("Invalid JPEG", "An image is no JPEG, PNG", "An image is no JPEG, PNG", "32768 pixels")


def odd_images(encoded):
    """Makes images from others: turned, transparent, grey, of 16 bits, and of one pixel."""
    grey = Image.open(io.BytesIO(encoded[0])).convert("L")
    deep = Image.fromarray(np.asarray(grey).astype(np.uint16) * 16)  # 12 bits, as X-rays have
    pixels = Image.new("RGB", (1, 1), "red"), Image.new("L", (1, 1))
    return [*make_images(encoded), *map(_png, (grey, deep, *pixels)), _transparent_gif(grey)]


def bad_images(encoded):
    """Makes what can't be decoded, with a word of the reason that the model gives."""
    return list(zip(unreadable_images(encoded).values(), _REASONS, strict=True))


def _transparent_gif(grey):
    buffer = io.BytesIO()
    grey.save(buffer, "GIF", transparency=128)
    return buffer.getvalue()


def _png(image):
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()
