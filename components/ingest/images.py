"""One image: decoded in full, checked, and converted to what every reader understands."""

import hashlib
import io
from dataclasses import dataclass

import imagehash
from PIL import ExifTags, Image, ImageOps, ImageStat, UnidentifiedImageError

MAX_SIDE = 32_768
MAX_PIXELS = 100_000_000
# TensorFlow decodes these as they are; anything else is stored as PNG, which loses nothing.
_KEPT_FORMATS = ("JPEG", "PNG")
# Offset of the bit depth in a PNG's header (https://www.w3.org/TR/png/#11IHDR); Pillow reads 16-bit RGB as 8-bit without a word.
_PNG_BIT_DEPTH = 24

# The limits above are checked on the header, before anything is decoded; Pillow's own limit warns instead of refusing.
Image.MAX_IMAGE_PIXELS = None


class BadImageError(Exception):
    """A file is no image that can be used; its text is the reason."""


@dataclass(frozen=True)
class CheckedImage:
    """An image that decodes.

    Attributes:
        sha256: Digest of the source's bytes.
        encoded: JPEG or PNG bytes, 8-bit RGB or greyscale, upright.
        width: Width in pixels, upright.
        height: Height in pixels, upright.
        brightness: Mean luma, 0 to 255.
        phash: Perceptual hash, 16 hex digits.
        conversions: What was done to it: `cmyk`, `greyscale`, `palette`, `16-bit`, `alpha`, `rotated`, `animated`, `bmp` …
    """

    sha256: str
    encoded: bytes
    width: int
    height: int
    brightness: float
    phash: str
    conversions: tuple[str, ...]


def check_image(content: bytes) -> CheckedImage:
    """Decodes an image in full and converts it if need be.

    The format is read from the content; the file's name plays no part.

    Raises:
        BadImageError: The bytes are no whole image, or one of absurd size.
    """
    if not content:
        raise BadImageError("is empty")
    try:
        image = Image.open(io.BytesIO(content))
        if image.width > MAX_SIDE or image.height > MAX_SIDE or image.width * image.height > MAX_PIXELS:
            raise BadImageError(f"has {image.width}×{image.height} pixels, more than {MAX_SIDE} a side or {MAX_PIXELS // 10**6} million")
        image.load()
    except UnidentifiedImageError as error:
        raise BadImageError("is not an image of a known format") from error
    except BadImageError:
        raise
    except Exception as error:  # Pillow's decoders raise whatever a damaged file drives them to.
        raise BadImageError(f"is damaged ({error})") from error
    upright, conversions = _convert(image)
    if image.format == "PNG" and content[_PNG_BIT_DEPTH] == 16 and "16-bit" not in conversions:
        conversions = (*conversions, "16-bit")
    keep = image.format in _KEPT_FORMATS and not set(conversions) - {"greyscale"}
    grey = upright.convert("L")
    return CheckedImage(
        sha256=hashlib.sha256(content).hexdigest(),
        encoded=content if keep else _as_png(upright),
        width=upright.width,
        height=upright.height,
        brightness=round(ImageStat.Stat(grey).mean[0], 3),
        phash=str(imagehash.phash(grey)),
        conversions=conversions,
    )


def _convert(image: Image.Image) -> tuple[Image.Image, tuple[str, ...]]:
    """Returns the image as upright 8-bit RGB or greyscale, and what had to be done for it."""
    conversions = []
    if image.format not in _KEPT_FORMATS:
        conversions.append(str(image.format).lower())
    if getattr(image, "n_frames", 1) > 1:
        conversions.append("animated")
    if image.getexif().get(ExifTags.Base.Orientation, 1) != 1:
        image = ImageOps.exif_transpose(image)
        conversions.append("rotated")
    if image.mode.startswith("I") or image.mode == "F":
        # Pillow clips 16-bit greyscale on conversion; scale it to 8 bits instead.
        low, high = image.getextrema()
        scale = 255 / 65535 if high > 255 or image.mode.startswith("I;16") else 1.0
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
        image = image.convert("RGB")
    return image, tuple(conversions)


def _as_png(image: Image.Image) -> bytes:
    buffer = io.BytesIO()
    image.info.pop("icc_profile", None)
    image.save(buffer, "PNG")
    return buffer.getvalue()
