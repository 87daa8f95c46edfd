"""Which pixels of an image can be seen, where Pillow doesn't tell: by a PNG's transparent colour, or in a GIF's canvas."""

import numpy as np
from PIL import Image
from PIL.GifImagePlugin import GifImageFile

from graft.components.ingest.images.deep_colours import deep_colours


def opaque_pixels(image: Image.Image, content: bytes, bits: int) -> Image.Image | None:
    """Returns what can be seen of an image as a mask; None where its alpha, or what Pillow makes of its transparent colour, tells.

    Args:
        image: The image, as Pillow has loaded it.
        content: Its file.
        bits: The bits of a channel in it.
    """
    if isinstance(image, GifImageFile):
        return _drawn(image)
    colour = image.info.get("transparency")
    if image.format != "PNG" or bits == 8 or image.mode == "P" or colour is None:
        return None
    # Its values have as many bits as those of the pixels (https://www.w3.org/TR/png-3/#11tRNS). Pillow compares them with 8 bits.
    if image.mode == "RGB":
        shown = (deep_colours(image, content) != colour).any(axis=-1)
    elif bits == 16:
        shown = np.asarray(image) != colour
    else:
        most = 2**bits - 1
        shown = np.asarray(image.convert("L")) // (255 // most) != colour & most
    return Image.fromarray(shown)


def _drawn(image: GifImageFile) -> Image.Image | None:
    """Returns where a GIF's first image, which may be smaller than its canvas, has a colour; None if that is everywhere."""
    drawn = image.dispose_extent
    if drawn in (None, (0, 0, *image.size)):
        return None
    mask = Image.new("L", image.size)
    mask.paste(image.convert("RGBA").getchannel("A").crop(drawn), drawn)
    return mask
