"""Values of more than 8 bits, as 8 bits: what viewers show of 16-bit, signed and floating-point images."""

from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image, TiffImagePlugin

from graft.components.common.compute.images.levels import DARK, FLAT, OUTLIERS, WHITES

Values = npt.NDArray[Any]

# Resampling overshoots: so much of white beyond either end is noise, and more is a range of its own.
_OVERSHOOT = 0.25
_WHITE_IS_ZERO, _UNSIGNED = 0, (1,)  # TIFF 6.0, sections 4 and 19


def is_deep(image: Image.Image) -> bool:
    """Whether it is grey of more than 8 bits, which Pillow would clip."""
    return image.mode.startswith("I") or image.mode == "F"


def as_8_bits(image: Image.Image) -> Image.Image:
    """Scales grey of more than 8 bits to 8, by the rule of `levels`.

    Args:
        image: In one of the modes that `is_deep` tells.

    Returns:
        The image in mode `L`.
    """
    values = np.asarray(image)
    if not isinstance(image, TiffImagePlugin.TiffImageFile):
        return Image.fromarray(levels(values))
    tags = image.tag_v2
    if values.dtype == np.int32 and tags.get(TiffImagePlugin.SAMPLEFORMAT, _UNSIGNED) == _UNSIGNED:
        values = values.view(np.uint32)  # Pillow reads them as signed
    grey = levels(values)
    # Pillow minds up to 8 bits alone that zero is white.
    is_negative = tags.get(TiffImagePlugin.PHOTOMETRIC_INTERPRETATION) == _WHITE_IS_ZERO
    return Image.fromarray(255 - grey if is_negative else grey)


def levels(values: Values) -> npt.NDArray[np.uint8]:
    """Scales values to 0 to 255, so that they are neither black nor white throughout.

    White is the least of 8, 10, 12, 14 and 16 bits that holds them all; of floating-point numbers it may be 1 as well. Where that
    gives nearly black, or nearly one level, or where values are far below 0 or above all of these, the values' own range is spread,
    without half a per cent at either end. What is no number is black.

    Args:
        values: Numbers of any shape.

    Returns:
        uint8 of the same shape.
    """
    is_float = values.dtype.kind == "f"
    known = values[np.isfinite(values)] if is_float else values
    if not known.size:
        return np.zeros(values.shape, np.uint8)
    low, high = float(known.min()), float(known.max())
    whites, spare = ((1.0, *WHITES), _OVERSHOOT) if is_float else (WHITES, 0.0)
    black, white = 0.0, next((white for white in whites if high <= white * (1 + spare)), high)
    if low != high and (white == high > max(whites) or not _is_seen(known, low, high, white)):
        black, white = (float(value) for value in np.percentile(known, (OUTLIERS, 100 - OUTLIERS)))
        if black == white:
            black, white = low, high
    if (black, white) == (0, WHITES[-1]) and not is_float:
        return (values // 256).clip(0, 255).astype(np.uint8)  # as TensorFlow and Pillow have colours of 16 bits
    with np.errstate(over="ignore"):
        scaled = (values.astype(np.float32) - black) * (255 / (white - black))
    shown: npt.NDArray[np.uint8] = np.nan_to_num(scaled).round().clip(0, 255).astype(np.uint8)
    return shown


def _is_seen(known: Values, low: float, high: float, white: float) -> bool:
    """Tells whether values can be told from each other, if they go from black at 0 to `white`."""
    level = white / 255
    if low < -_OVERSHOOT * white or high - low < FLAT * level:
        return False
    return float(np.percentile(known, 100 - OUTLIERS)) >= DARK * level
