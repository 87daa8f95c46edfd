"""One image: decoded in full, checked, and stored as what every reader understands."""

import hashlib
import io
from dataclasses import dataclass

import numpy as np
from PIL import Image, UnidentifiedImageError
from PIL.TiffImagePlugin import TILELENGTH, TILEWIDTH, TiffImageFile

from graft.components.common.compute.likeness.miniatures import SIDE
from graft.components.ingest.images.conversion import JPEG_FORMATS, KEPT_FORMATS, StoredImage, as_png, convert
from graft.components.ingest.images.decoding_room import DecodedImage
from graft.components.ingest.images.gif import without_comments
from graft.components.ingest.images.heic import enable_heic, is_heic
from graft.components.ingest.images.jpeg import plain_jpeg
from graft.components.ingest.images.limits import JPEG_SCAN, BadImageError, check_scans
from graft.components.ingest.images.perceptual_hash import SIZE, perceptual_hash
from graft.components.ingest.images.png import plain_png, without_metadata
from graft.components.ingest.images.shrinking import shrink
from graft.components.ingest.stand_ins import stand_in

# Formats to read: not those that start another program (EPS), or have nothing to be known by (TGA).
FORMATS = ("AVIF", "BMP", "GIF", "JPEG", "JPEG2000", "PNG", "PPM", "TIFF", "WEBP")
JPEG_END = b"\xff\xd9"
REWRITTEN = "rewritten"
"""The conversion of a JPEG or PNG that is not plainly well-formed."""
_PNG_END = b"IEND\xaeB`\x82"

# The limits are checked on the header, before anything is decoded; Pillow's own limit warns instead of refusing.
Image.MAX_IMAGE_PIXELS = None
# Blocks of Pillow's usual 16 MiB stay with the thread that asked for them: after an image of 20 megapixels 300 MiB, and none with these.
Image.core.set_block_size(64 * 2**20)  # type: ignore[attr-defined]


@dataclass(frozen=True)
class CheckedImage:
    """An image that decodes.

    Attributes:
        sha256: Digest of the source's bytes.
        encoded: JPEG or PNG bytes, 8-bit RGB or greyscale; a JPEG may have to be turned upright by its EXIF data.
        width: Width in pixels, upright.
        height: Height in pixels, upright.
        brightness: Mean luma, 0 to 255.
        phash: Perceptual hash, 16 hex digits.
        miniature: Its miniature, a byte a pixel, row by row.
        conversions: What was done to it: `cmyk`, `greyscale`, `palette`, `16-bit`, `alpha`, `rotated`, `animated`, `bmp` …
    """

    sha256: str
    encoded: bytes
    width: int
    height: int
    brightness: float
    phash: str
    miniature: bytes
    conversions: tuple[str, ...]


def check_image(content: bytes) -> CheckedImage:
    """Decodes an image in full and converts it if need be.

    The format is read from the content; the file's name plays no part. Of what it returns TensorFlow decodes the pixels that
    brightness and hash were taken of.

    Raises:
        BadImageError: The bytes are no whole image, or one of absurd size.
    """
    if not content:
        raise BadImageError("is empty")
    with DecodedImage() as memory:
        return _check(content, memory)


def _check(content: bytes, memory: DecodedImage) -> CheckedImage:
    image = plain_jpeg(content, memory) or _read_by_pillow(content, memory)
    grey = image.pixels.convert("L")
    levels = np.asarray(grey)
    small = Image.fromarray(shrink(levels, SIZE[0]))
    return CheckedImage(
        sha256=hashlib.sha256(content).hexdigest(),
        encoded=image.encoded,
        width=grey.width,
        height=grey.height,
        brightness=round(float(levels.sum() / (grey.width * grey.height)), 3),
        phash=perceptual_hash(small),
        miniature=small.resize((SIDE, SIDE), Image.Resampling.LANCZOS).tobytes(),
        conversions=image.conversions,
    )


def _read_by_pillow(content: bytes, memory: DecodedImage) -> StoredImage:
    """Reads an image of any format. It is stored anew, unless it is a plain PNG."""
    png = plain_png(content)
    content = png or without_comments(without_metadata(content))
    formats = enable_heic() if is_heic(content) else FORMATS
    try:
        image = Image.open(io.BytesIO(content), formats=formats)
        memory.take(*_decoded_size(image))
        if image.format in JPEG_FORMATS:
            check_scans(content)
        image.load()
        if png:
            return StoredImage(png, image, ("greyscale",) if image.mode == "L" else ())
        _check_end(content, image.format)
        upright, conversions = convert(image, content)
        # A turned JPEG would have been stored as it is, and a turned PNG not.
        usual = {"greyscale", "rotated"} if image.format in JPEG_FORMATS else {"greyscale"}
        if image.format in KEPT_FORMATS and not {*conversions} - usual:
            conversions += (REWRITTEN,)
        return StoredImage(as_png(upright), upright, conversions)
    except UnidentifiedImageError as error:
        raise BadImageError(stand_in(content) or "is not an image of a known format") from error
    except BadImageError:
        raise
    except Exception as error:  # Pillow's decoders raise whatever a damaged file drives them to.
        raise BadImageError(stand_in(content) or f"is damaged ({error or type(error).__name__})") from error


def _decoded_size(image: Image.Image) -> tuple[int, int]:
    """Returns the width and height of what is decoded: a TIFF's tiles may be larger than it is, and are decoded whole."""
    if not isinstance(image, TiffImageFile):
        return image.size
    tile = (image.tag_v2.get(tag, 0) for tag in (TILEWIDTH, TILELENGTH))
    return max(image.width, next(tile)), max(image.height, next(tile))


def _check_end(content: bytes, image_format: str | None) -> None:
    """Finds damage that Pillow's decoders forgive: wrong checksums, and no end.

    Raises:
        BadImageError: The file has no end.
    """
    if image_format == "PNG":
        Image.open(io.BytesIO(content), formats=["PNG"]).verify()
        whole = _PNG_END in content
    else:
        last_scan = max((scan.start() for scan in JPEG_SCAN.finditer(content)), default=0)
        whole = image_format not in JPEG_FORMATS or content.rfind(JPEG_END) > last_scan
    if not whole:
        raise BadImageError("is cut off before its end")
