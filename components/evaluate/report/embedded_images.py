"""Pictures in the report: small, never heavy, and with heat laid over them."""

import base64
import io
from typing import Any

import numpy as np
from PIL import Image

from graft.components.common.compute.images.orientation import upright

Array = np.ndarray[Any, Any]

# Tried from left to right until a picture is light enough: noise would weigh four times what a photograph does.
_QUALITIES = (75, 50, 25, 10)
_MAX_BYTES_A_PIXEL = 0.4
# Five points of viridis, which every kind of sight sees get lighter: from none (violet) to most (yellow).
_VIRIDIS = ((68, 1, 84), (59, 82, 139), (33, 145, 140), (94, 201, 98), (253, 231, 37))
_HEAT_SHARE = 0.55


def decode(content: bytes, side: int = 0) -> Image.Image:
    """Decodes an image of a dataset as RGB, upright.

    Args:
        content: The encoded image, as ingest keeps it: JPEG or PNG, 8-bit.
        side: Decode no more than a picture of this many pixels a side needs, which JPEG allows; 0 for all.
    """
    image = Image.open(io.BytesIO(content))
    if side:
        image.draft("RGB", (2 * side, 2 * side))
    return upright(image).convert("RGB")


def shrink(image: Image.Image, side: int) -> Image.Image:
    """Returns an image of at most so many pixels a side."""
    small = image.copy()
    small.thumbnail((side, side))
    return small


def lay_over(picture: Image.Image, heat: Array) -> Image.Image:
    """Lays heat over a grey copy of a picture: violet where there is none, yellow where there is most.

    Args:
        picture: The picture.
        heat: float32 [H, W], 0 to 1, of the same content whatever its proportions.
    """
    wide = Image.fromarray(heat.astype(np.float32)).resize(picture.size, Image.Resampling.BICUBIC)
    values = np.asarray(wide).clip(0, 1)
    stops = np.linspace(0, 1, len(_VIRIDIS))
    colours = np.stack([np.interp(values, stops, channel) for channel in zip(*_VIRIDIS, strict=True)], axis=-1)
    grey = picture.convert("L").convert("RGB")
    return Image.blend(grey, Image.fromarray(colours.astype(np.uint8)), _HEAT_SHARE)


def data_uri(picture: Image.Image) -> str:
    """Returns a picture as the URI of a JPEG that weighs no more than 0.4 bytes a pixel, if that can be had."""
    at_most, content = max(1500, int(_MAX_BYTES_A_PIXEL * picture.width * picture.height)), b""
    for quality in _QUALITIES:
        buffer = io.BytesIO()
        picture.save(buffer, "JPEG", quality=quality)
        content = buffer.getvalue()
        if len(content) <= at_most:
            break
    return f"data:image/jpeg;base64,{base64.b64encode(content).decode()}"
