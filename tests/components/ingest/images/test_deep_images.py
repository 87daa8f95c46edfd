"""Grey and colours of more than 8 bits in all their files are seen as viewers show them; what comes out blank is called so."""

import io
import struct

import numpy as np
import pytest
from kinds import png
from pictures import encoded, noise
from PIL import Image

from graft.components.ingest.images.checked_image import check_image

GREY = np.asarray(noise(1, mode="L"), np.float32)
RGB = np.asarray(noise(1))
BLACK, WHITE = np.zeros(GREY.shape), np.full(GREY.shape, 255)


def pixels(content):
    return np.asarray(Image.open(io.BytesIO(check_image(content).encoded)), int)


def with_odd(values, *odd):
    values = values.copy()
    values.flat[: len(odd)] = odd
    return values


def tiff(values, **options):
    return encoded(Image.fromarray(values), "TIFF", **options)


def integers(bits, kind=np.uint16):
    return (GREY * ((2**bits - 1) / 255)).round().astype(kind)


def deep_png(colours):
    """A 16-bit PNG: of grey, or RGB, or RGB and alpha."""
    height, width, *channels = colours.shape
    kind = {(): 0, (3,): 2, (4,): 6}[tuple(channels)]
    return png(width, height, 16, kind, [line.astype(">u2").tobytes() for line in colours])


def deep_tiff(values, photometric, bits=16, sample_format=1, order="<", extra=()):
    """A TIFF by hand, uncompressed: Pillow writes few of these kinds."""
    height, width, *channels = values.shape
    samples = channels[0] if channels else 1
    data = values.astype(values.dtype.newbyteorder(order)).tobytes()
    tags = {
        256: [width],
        257: [height],
        258: [bits] * samples,
        259: [1],
        262: [photometric],
        277: [samples],
        278: [height],
    }
    tags |= {339: [sample_format] * samples} | ({338: extra} if extra else {})
    start = 8 + 2 + 12 * (len(tags) + 2) + 4
    behind = b"".join(struct.pack(f"{order}{len(tag)}H", *tag) for tag in tags.values() if len(tag) > 2)
    tags |= {273: [start + len(behind)], 279: [len(data)]}
    entries, place = b"", start
    for tag, numbers in sorted(tags.items()):
        kind, count = ("I", len(numbers)) if tag in (273, 279) else ("H", len(numbers))
        value = struct.pack(f"{order}{count}{kind}", *numbers)
        if len(value) > 4:
            value, place = struct.pack(f"{order}I", place), place + len(value)
        entries += struct.pack(f"{order}HHI", tag, 4 if kind == "I" else 3, count) + value.ljust(4, b"\0")
    head = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(f"{order}IH", 8, len(tags))
    return head + entries + bytes(4) + behind + data


UNIT = GREY / 255
SEEN = {
    "floats of which one is no number": (tiff(with_odd(UNIT, np.nan)), with_odd(GREY, 0)),
    "infinite floats": (tiff(with_odd(UNIT, np.inf, -np.inf)), with_odd(GREY, 255, 0)),
    "floats a little over": (tiff(with_odd(UNIT, 1.02, -0.02)), with_odd(GREY, 255, 0)),
    "floats to 255": (tiff(with_odd(GREY, np.nan)), with_odd(GREY, 0)),
    "floats to 65535": (tiff(GREY * 257), GREY),
    "no number at all": (tiff(np.full(GREY.shape, np.nan, np.float32)), BLACK),
    "a float of no data": (tiff(with_odd(UNIT, -9999)), with_odd(GREY, 0)),
    "an absurd float": (tiff(with_odd(UNIT, 3e38)), with_odd(GREY, 255)),
    "the temperature of a room": (tiff(290 + UNIT), GREY),
    "floats of one value": (tiff(np.full(GREY.shape, 1, np.float32)), WHITE),
    "signed 16 bits": (deep_tiff(integers(12, np.int16) - 1024, 1, sample_format=2), GREY),
    "signed 16 bits without negative ones": (deep_tiff(integers(12, np.int16), 1, sample_format=2), GREY),
    "signed 32 bits": (tiff(integers(20, np.int32)), GREY),
    "32 bits": (deep_tiff((GREY * (2**32 // 256)).astype(np.uint32), 1, 32), GREY),
    "white is zero": (deep_tiff(65535 - integers(16), 0), GREY),
    "white is zero in 12 bits": (deep_tiff(4095 - integers(12), 0), GREY),
    "one bright pixel": (deep_png(with_odd(integers(8), 65535)), with_odd(GREY, 255)),
    "ink on paper": (deep_png(with_odd(65535 - integers(7), 0)), with_odd(255 - GREY // 512, 0)),
    "black": (deep_png(BLACK), BLACK),
    "white": (deep_png(WHITE * 257), WHITE),
    "tiff with nothing in its alpha": (tiff(np.dstack([RGB, BLACK]).astype(np.uint8)), RGB),
}
for depth in (8, 10, 12, 14, 16):
    colours = np.uint16(RGB * ((2**depth - 1) / 255))
    opaque = np.dstack([colours, np.full(GREY.shape, 65535, np.uint16)])
    SEEN |= {
        f"{depth} of 16 bits": (deep_png(integers(depth)), GREY),
        f"{depth} of 16 bits, big-endian": (deep_tiff(integers(depth), 1, order=">"), GREY),
        f"colours of {depth} of 16 bits": (deep_png(colours), RGB),
        f"opaque colours of {depth} of 16 bits": (deep_png(opaque), RGB),
        f"colours of {depth} of 16 bits in a TIFF": (deep_tiff(colours, 2), RGB),
        f"colours of {depth} of 16 bits, big-endian": (deep_tiff(colours, 2, order=">"), RGB),
        f"opaque colours of {depth} of 16 bits in a TIFF": (deep_tiff(opaque, 2, extra=[2]), RGB),
    }


@pytest.mark.parametrize("name", SEEN)
def test_seen_as_viewers_show_it(name):
    content, expected = SEEN[name]
    assert np.abs(pixels(content) - expected).max() <= (3 if "room" in name or "no data" in name else 2)
    assert ("blank" in check_image(content).conversions) == (name == "no number at all")


def test_colours_of_12_bits_keep_their_shades():
    ramp = np.arange(4096, dtype=np.uint16).repeat(3).reshape(64, 64, 3)
    shades = {len(np.unique(pixels(content))) for content in (deep_png(ramp), deep_tiff(ramp, 2))}
    assert shades == {256}


CLEAR = Image.fromarray(np.dstack([RGB, BLACK]).astype(np.uint8))
FRAMES = [Image.new("P", (24, 16)), noise(2).quantize(16)]
BLANK = {
    "clear.png": encoded(CLEAR, "PNG"),
    "clear.webp": encoded(CLEAR, "WEBP", lossless=True, exact=True),
    "white-on-clear.png": encoded(Image.merge("LA", [Image.new("L", (24, 16), 255), noise(3, mode="L")]), "PNG"),
    "fade-in.gif": encoded(FRAMES[0], "GIF", save_all=True, append_images=FRAMES[1:]),
}
NOT_BLANK = {
    "black.png": encoded(Image.new("RGB", (24, 16)), "PNG"),
    "black-and-clear.png": encoded(Image.new("RGBA", (24, 16)), "PNG"),
    "faded.png": encoded(noise(4, mode="RGBA"), "PNG"),
}


@pytest.mark.parametrize("name", [*BLANK, *NOT_BLANK])
def test_what_comes_out_blank_is_called_so(name):
    assert ("blank" in check_image((BLANK | NOT_BLANK)[name]).conversions) == (name in BLANK)
