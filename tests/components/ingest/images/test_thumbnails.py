"""Thumbnails are small, and of damaged files show what can be seen; no bytes make them fail."""

import io
import struct
import zlib
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from data_reports import jpeg
from pictures import encoded, noise
from PIL import Image, ImageFile

from graft.components.ingest.images.thumbnails import SIDE, partial_thumbnail, thumbnail

WHOLE = Image.open(io.BytesIO(jpeg(3, (600, 400))))
DEEP = Image.fromarray((np.arange(400 * 300, dtype=np.uint16) // 2).reshape(300, 400))


def cut(content, share=0.5):
    return content[: int(len(content) * share)]


def opened(content):
    image = Image.open(io.BytesIO(content))
    assert image.format == "JPEG" and image.mode == "RGB" and max(image.size) <= SIDE
    return np.asarray(image).astype(int)


DAMAGED = {
    "jpeg": cut(encoded(WHOLE, quality=95)),
    "progressive jpeg": cut(encoded(WHOLE, quality=95, progressive=True)),
    "jpeg without end": encoded(WHOLE)[:-2],
    "cmyk jpeg": cut(encoded(WHOLE.convert("CMYK"))),
    "png": cut(encoded(WHOLE, "PNG")),
    "palette png": cut(encoded(WHOLE.quantize(64), "PNG")),
    "png with alpha": cut(encoded(WHOLE.convert("RGBA"), "PNG")),
    "16-bit png": cut(encoded(DEEP, "PNG"), 0.9),
    "bmp": cut(encoded(WHOLE, "BMP")),
}


@pytest.mark.parametrize("name", DAMAGED)
def test_what_can_be_seen_of_a_damaged_file(name):
    pixels = opened(partial_thumbnail(DAMAGED[name]))
    assert pixels.std() > 5
    if name in ("jpeg", "png"):  # the upper half is there
        whole = opened(thumbnail(encoded(WHOLE, "PNG")))
        assert np.abs(pixels[:30] - whole[:30]).mean() < 8 < np.abs(pixels[-20:] - whole[-20:]).mean()


def huge_png(side):
    header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    chunk = b"IHDR" + header
    return b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + chunk + struct.pack(">I", zlib.crc32(chunk)) + b"\0" * 50


def many_scans(scans):
    """A progressive JPEG that repeats its last scan: libjpeg draws the whole picture anew for each."""
    content = encoded(WHOLE.resize((4000, 4000)), progressive=True)
    last = content.rfind(b"\xff\xda")
    return content[:-2] + content[last:-2] * scans


NOTHING = {
    "empty": b"",
    "text": b"<!doctype html><title>404</title>",
    "only a header": encoded(WHOLE)[:300],
    "only the magic": b"\xff\xd8",
    "noise": bytes(range(256)) * 40,
    "absurdly large": huge_png(30_000),
    "many scans": many_scans(200),
    "another program's": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\n",
}


@pytest.mark.parametrize("name", NOTHING)
def test_where_nothing_can_be_seen(name):
    assert partial_thumbnail(NOTHING[name]) is None
    assert thumbnail(NOTHING[name]) is None


def test_no_bytes_make_it_fail():
    files = [
        encoded(WHOLE),
        *(encoded(WHOLE, kind) for kind in ("PNG", "GIF", "BMP", "TIFF", "WEBP", "JPEG2000", "PPM")),
    ]
    random = np.random.default_rng(0)

    def damaged(seed):
        content = bytearray(files[seed % len(files)])
        for place in random.integers(0, min(len(content), 2000), 8):
            content[place] = seed % 256
        return bytes(content)

    with ThreadPoolExecutor(2) as threads:
        results = list(threads.map(partial_thumbnail, [damaged(seed) for seed in range(80)]))
    assert any(results)
    assert all(result is None or opened(result).size for result in results)
    assert not ImageFile.LOAD_TRUNCATED_IMAGES


def test_upright_on_white_and_without_what_else_the_file_carries():
    exif = Image.Exif()
    exif[0x0112] = 6
    content = encoded(WHOLE, exif=exif, icc_profile=b"p" * 60_000, comment=b"c" * 60_000)
    small = thumbnail(content)
    assert Image.open(io.BytesIO(small)).size == (85, 128) and len(small) < 10_000
    clear = Image.new("RGBA", (200, 100), (0, 0, 0, 0))
    assert opened(thumbnail(encoded(clear, "PNG"))).min() > 250
    assert opened(thumbnail(encoded(noise(1, mode="L"), "PNG"))).shape == (16, 24, 3)
