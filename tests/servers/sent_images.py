"""Images as they are sent to servers: such as they must answer, and such as they must refuse and go on."""

import io

from PIL import Image

from graft.components.export.acceptance.made_images import make_images, unreadable_images

# A word of the model's reason, in their order.
_REASONS = ("JPEG", "Unknown image file format", "empty", "32768 pixels")


def odd_images(encoded):
    """Makes images from others: turned, transparent, grey, and of one pixel."""
    grey = Image.open(io.BytesIO(encoded[0])).convert("L")
    return [*make_images(encoded), *map(_png, (grey, Image.new("RGB", (1, 1), "red"), Image.new("L", (1, 1))))]


def bad_images(encoded):
    """Makes what can't be decoded, with a word of the reason that the model gives."""
    return list(zip(unreadable_images(encoded).values(), _REASONS, strict=True))


def _png(image):
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()
