"""Grey of more than 8 bits, as 8 bits: what viewers show of 16-bit, signed and floating-point images."""

import numpy as np
from PIL import Image, TiffImagePlugin

# White of a camera's or scanner's whole numbers: files of 16 bits often hold 10, 12 or 14.
_WHITES = (2**8 - 1, 2**10 - 1, 2**12 - 1, 2**14 - 1, 2**16 - 1)
# Resampling overshoots: so much of white beyond either end is noise, and more is a range of its own.
_OVERSHOOT = 0.25
_WHITE_IS_ZERO = 0  # of a TIFF's photometric interpretation (TIFF 6.0, section 4)


def is_deep(image: Image.Image) -> bool:
    """Whether it is grey of more than 8 bits, which Pillow would clip."""
    return image.mode.startswith("I") or image.mode == "F"


def as_8_bits(image: Image.Image) -> Image.Image:
    """Scales grey of more than 8 bits to 8, so that it is neither black nor white throughout.

    Whole numbers are scaled by the smallest of 8, 10, 12, 14 and 16 bits that holds them all, floating-point ones by 1 or by the
    same. Values far below 0, or larger than 16 bits hold, are scaled from the least to the largest. What is no number is black.

    Args:
        image: In one of the modes that `is_deep` tells.

    Returns:
        The image in mode `L`.
    """
    values = np.asarray(image, np.float32)
    finite = values[np.isfinite(values)]
    low, high = (float(finite.min()), float(finite.max())) if len(finite) else (0.0, 0.0)
    whites, spare = (_WHITES, 0.0) if image.mode != "F" else ((1, *_WHITES), _OVERSHOOT)
    white = next((white for white in whites if high <= white * (1 + spare)), None)
    if white and low >= -_OVERSHOOT * white:
        low, high = 0.0, float(white)
    levels = np.nan_to_num((values - low) * (255 / ((high - low) or 1)), nan=0, posinf=255, neginf=0)
    grey = levels.round().clip(0, 255).astype(np.uint8)
    return Image.fromarray(255 - grey if _is_negative(image) else grey)


def _is_negative(image: Image.Image) -> bool:
    """Whether it is a TIFF whose zero is white; Pillow minds that up to 8 bits alone."""
    if not isinstance(image, TiffImagePlugin.TiffImageFile):
        return False
    return bool(image.tag_v2.get(TiffImagePlugin.PHOTOMETRIC_INTERPRETATION) == _WHITE_IS_ZERO)
