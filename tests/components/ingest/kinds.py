"""Images of all kinds that people have: those that are converted, with what comes of them, and those that stay as they are."""

import struct
import zlib

import numpy as np
from pictures import encoded, noise
from PIL import Image

EXIF = Image.Exif()
EXIF[0x0112] = 6  # to be turned 90° clockwise
RGB, GREY = noise(1), noise(1, mode="L")
FADED = noise(1, mode="RGBA")
ON_WHITE = Image.alpha_composite(Image.new("RGBA", FADED.size, "white"), FADED).convert("RGB")
PALETTE = RGB.quantize(16)
DEEP = Image.fromarray((np.arange(24 * 16, dtype=np.uint16) * 170).reshape(16, 24))
BILEVEL = GREY.convert("1")


def png(width, height, depth, colour, lines):
    """Builds a PNG by hand, since Pillow can't write all of them."""
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(b"".join(b"\0" + line for line in lines))), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data)) for name, data in chunks
    )


def deep_rgb():
    """A 16-bit RGB PNG of the pixels of RGB, and something in the low bytes."""
    return png(*RGB.size, 16, 2, [line.repeat(2).tobytes() for line in np.asarray(RGB).reshape(16, 24 * 3)])


CONVERTED = {
    "cmyk": (encoded(RGB.convert("CMYK"), quality=95), ("cmyk",), None),
    "palette": (encoded(PALETTE, "PNG"), ("palette",), PALETTE.convert("RGB")),
    "16-bit grey": (
        encoded(DEEP, "PNG"),
        ("16-bit", "greyscale"),
        DEEP.convert("F").point(lambda value: value / 257).convert("L"),
    ),
    "16-bit grey TIFF": (encoded(DEEP, "TIFF"), ("tiff", "16-bit", "greyscale"), None),
    "16-bit rgb": (deep_rgb(), ("16-bit",), RGB),
    "1-bit": (encoded(BILEVEL, "PNG"), ("1-bit", "greyscale"), BILEVEL.convert("L")),
    "alpha": (encoded(FADED, "PNG"), ("alpha",), ON_WHITE),
    "rotated png": (encoded(RGB, "PNG", exif=EXIF), ("rotated",), RGB.rotate(-90, expand=True)),
    "animated": (
        encoded(PALETTE, "GIF", save_all=True, append_images=[PALETTE.rotate(180)]),
        ("gif", "animated", "palette"),
        PALETTE.convert("RGB"),
    ),
    "bmp": (encoded(RGB, "BMP"), ("bmp",), RGB),
    "webp": (encoded(RGB, "WEBP", lossless=True), ("webp",), RGB),
    "tiff": (encoded(RGB, "TIFF"), ("tiff",), RGB),
    "ppm": (encoded(RGB, "PPM"), ("ppm",), RGB),
    "pages": (encoded(RGB, "TIFF", save_all=True, append_images=[RGB.rotate(180)]), ("tiff", "animated"), RGB),
    "animated webp": (
        encoded(RGB, "WEBP", lossless=True, save_all=True, append_images=[RGB.rotate(180)]),
        ("webp", "animated"),
        RGB,
    ),
    "animated png": (encoded(RGB, "PNG", save_all=True, append_images=[RGB.rotate(180)]), ("animated",), RGB),
    "webp with alpha": (encoded(FADED, "WEBP", lossless=True, exact=True), ("webp", "alpha"), ON_WHITE),
    "1-bit bmp": (encoded(BILEVEL, "BMP"), ("bmp", "greyscale"), BILEVEL.convert("L")),
    "palette bmp": (encoded(PALETTE, "BMP"), ("bmp", "palette"), PALETTE.convert("RGB")),
    "fax": (encoded(BILEVEL, "TIFF", compression="group4"), ("tiff", "greyscale"), BILEVEL.convert("L")),
    "cmyk tiff": (
        encoded(RGB.convert("CMYK"), "TIFF", compression="tiff_lzw"),
        ("tiff", "cmyk"),
        RGB.convert("CMYK").convert("RGB"),
    ),
    "16-bit tiff": (
        encoded(DEEP, "TIFF", compression="tiff_lzw"),
        ("tiff", "16-bit", "greyscale"),
        DEEP.convert("F").point(lambda value: value / 257).convert("L"),
    ),
    "tiff from 0 to 1": (
        encoded(GREY.convert("F").point(lambda value: value / 255), "TIFF"),
        ("tiff", "16-bit", "greyscale"),
        GREY,
    ),
    "rotated webp": (encoded(RGB, "WEBP", lossless=True, exif=EXIF), ("webp", "rotated"), RGB.rotate(-90, expand=True)),
    "rotated tiff": (encoded(RGB, "TIFF", exif=EXIF), ("tiff",), RGB.rotate(-90, expand=True)),  # Pillow turns it
    "interlaced gif": (encoded(PALETTE, "GIF", interlace=1), ("gif", "palette"), PALETTE.convert("RGB")),
    "plain gif": (encoded(PALETTE, "GIF", interlace=0), ("gif", "palette"), PALETTE.convert("RGB")),
    "transparent gif": (encoded(PALETTE, "GIF", transparency=0), ("gif", "alpha"), None),
}
KEPT = {
    "jpeg": encoded(RGB),
    "grey jpeg": encoded(GREY),
    "png": encoded(RGB, "PNG"),
    "grey png": encoded(GREY, "PNG"),
    "turned jpeg": encoded(RGB, exif=EXIF),
    "turned grey jpeg": encoded(GREY, exif=EXIF),
}
