"""Colours of 16 bits a channel, of which Pillow reads the upper 8: black, if a file uses only the lower ones."""

import io
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from graft.components.common.compute.images.levels import MAX_SHALLOW
from graft.components.ingest.images.grey_levels import levels

_OTHER_ORDER = {"16B": "16L", "16L": "16B", "16N": "16B"}  # Pillow's names of byte orders; N is the machine's
# Pillow has no other order of it: it has as many bytes as RGBA, of which the second is the lower one of the grey.
_GREY_WITH_ALPHA = "LA;16B"


def colours_as_8_bits(image: Image.Image, content: bytes) -> Image.Image:
    """Returns an image in RGB, with or without alpha, whose colours are seen if they have 10, 12 or 14 of 16 bits.

    Args:
        image: The image, of 16 bits a channel, as Pillow has loaded it.
        content: Its file.
    """
    upper = np.asarray(image)
    if image.mode not in ("RGB", "RGBA") or upper[..., :3].max() > MAX_SHALLOW // 256:
        return image
    return Image.fromarray(np.concatenate([levels(deep_colours(image, content)), upper[..., 3:]], axis=-1))


def deep_colours(image: Image.Image, content: bytes) -> npt.NDArray[np.uint16]:
    """Returns the colours of an image, uint16 [H, W, 3].

    Args:
        image: The image, RGB with or without alpha, of 16 bits a channel, as Pillow has loaded it.
        content: Its file.
    """
    again = Image.open(io.BytesIO(content), formats=[str(image.format)])
    is_grey = _GREY_WITH_ALPHA in str(again.tile[0].args)
    again.tile = [tile._replace(args=_swapped(tile.args)) for tile in again.tile]  # so it reads the lower 8 bits
    lower = np.asarray(again)[..., 1:2] if is_grey else np.asarray(again)[..., :3]
    colours: npt.NDArray[np.uint16] = np.asarray(image)[..., :3] * np.uint16(256) + lower
    return colours


def _swapped(arguments: Any) -> Any:
    """Returns the arguments of one of Pillow's decoders, the first or only of which is the form of the pixels, in the other byte order."""
    if not isinstance(arguments, str):
        return (_swapped(arguments[0]), *arguments[1:])
    if arguments == _GREY_WITH_ALPHA:
        return "RGBA"
    colours, _, order = arguments.partition(";")
    return f"{colours};{_OTHER_ORDER[order]}"
