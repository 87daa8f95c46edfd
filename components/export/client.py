"""How a client of `serve_pixels`, ONNX or LiteRT prepares an image: docs/export.md shows this file, and parity uses it."""

import io

import numpy as np
from PIL import Image, ImageOps


def pixels_of(encoded: bytes) -> np.ndarray:
    """Decodes an image as the model takes it: uint8 [H, W, 3], RGB, upright, on white."""
    image = ImageOps.exif_transpose(Image.open(io.BytesIO(encoded)))
    if image.has_transparency_data:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    return np.asarray(image.convert("RGB"))
