"""One image: decoded in full, checked, and converted to what every reader understands."""

import hashlib
import io
from dataclasses import dataclass

import imagehash
from PIL import Image, ImageStat, UnidentifiedImageError

from graft.components.ingest.images.conversion import KEPT_FORMATS, as_png, convert

MAX_SIDE = 32_768
MAX_PIXELS = 100_000_000
# A progressive JPEG has about ten scans. Each is a pass over all pixels for as little as 31 bytes: a bomb has thousands.
MAX_SCANS = 100
# Formats to read: not those that start another program (EPS), or have nothing to be known by (TGA).
FORMATS = ("AVIF", "BMP", "GIF", "JPEG", "JPEG2000", "PNG", "PPM", "TIFF", "WEBP")
_PNG_END = b"IEND\xaeB`\x82"
JPEG_SCAN, JPEG_END = b"\xff\xda", b"\xff\xd9"

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
        image = Image.open(io.BytesIO(content), formats=FORMATS)
        if image.width > MAX_SIDE or image.height > MAX_SIDE or image.width * image.height > MAX_PIXELS:
            raise BadImageError(
                f"has {image.width}×{image.height} pixels, more than {MAX_SIDE} a side or {MAX_PIXELS // 10**6} million"
            )
        if image.format in ("JPEG", "MPO") and content.count(JPEG_SCAN) > MAX_SCANS:
            raise BadImageError(f"has more than {MAX_SCANS} scans, like a decompression bomb")
        image.load()
        _check_end(content, image.format)
        upright, conversions = convert(image, content)
    except UnidentifiedImageError as error:
        raise BadImageError("is not an image of a known format") from error
    except BadImageError:
        raise
    except Exception as error:  # Pillow's decoders raise whatever a damaged file drives them to.
        raise BadImageError(f"is damaged ({error or type(error).__name__})") from error
    keep = image.format in KEPT_FORMATS and not set(conversions) - {"greyscale"}
    grey = upright.convert("L")
    return CheckedImage(
        sha256=hashlib.sha256(content).hexdigest(),
        encoded=content if keep else as_png(upright),
        width=upright.width,
        height=upright.height,
        brightness=round(ImageStat.Stat(grey).mean[0], 3),
        phash=str(imagehash.phash(grey)),
        conversions=conversions,
    )


def _check_end(content: bytes, image_format: str | None) -> None:
    """Finds what Pillow's decoders forgive and TensorFlow's don't: wrong checksums, and no end.

    Raises:
        BadImageError: The file has no end.
    """
    if image_format == "PNG":
        Image.open(io.BytesIO(content), formats=["PNG"]).verify()
        whole = _PNG_END in content
    else:
        whole = image_format not in ("JPEG", "MPO") or content.rfind(JPEG_END) > content.rfind(JPEG_SCAN)
    if not whole:
        raise BadImageError("is cut off before its end")
