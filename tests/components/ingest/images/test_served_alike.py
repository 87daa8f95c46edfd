"""A server sees an image's file as ingest does: the same pixels, whatever is transparent in it, and of however many bits it is."""

import struct

import numpy as np
import pytest
from exif import chunk, oriented, png_with
from kinds import png
from pictures import encoded, noise
from PIL import Image

from graft.components.common.compute.decoding import decode
from graft.components.common.compute.tensorflow import import_tensorflow
from graft.components.ingest.images.checked_image import check_image

WIDTH, HEIGHT = 40, 30
RANDOM = np.random.default_rng(0)
COLOURS = RANDOM.integers(0, 256, 768, np.uint8).tobytes()
OTHERS = RANDOM.integers(0, 256, 768, np.uint8).tobytes()
GREYS = np.arange(256, dtype=np.uint8).repeat(3).tobytes()
PICTURE = encoded(noise(1, (20, 15)).quantize(256), "GIF")
CODED = PICTURE[PICTURE.index(b"\x2c" + struct.pack("<4H", 0, 0, 20, 15)) + 10 : -1]


def segment(marker, data):
    return bytes((0xFF, marker)) + (len(data) + 2).to_bytes(2) + data


def gif(at, canvas=(WIDTH, HEIGHT), transparent=None, own=b"", shared=COLOURS):
    """A GIF of one image of 20 × 15 pixels somewhere on its canvas."""
    control = b"" if transparent is None else b"\x21\xf9\x04\x01\0\0" + bytes([transparent]) + b"\0"
    screen = struct.pack("<2H", *canvas) + (b"\xf7" if shared else b"\0") + b"\5\0"
    image = b"\x2c" + struct.pack("<4H", *at, 20, 15) + (b"\x87" if own else b"\0")
    return b"GIF89a" + screen + shared + b"\x21\xfe\x01a\0" + control + image + own + CODED + b"\x3b"


def packed(depth, channels=1):
    """Lines of random pixels of so many bits a channel."""
    return [RANDOM.bytes(WIDTH * depth * channels // 8) for _ in range(HEIGHT)]


def with_transparent(content, *colour):
    return content[:33] + chunk(b"tRNS", struct.pack(f">{len(colour)}H", *colour)) + content[33:]


def grey(depth, *colour):
    content = png(WIDTH, HEIGHT, depth, 0, packed(depth))
    return with_transparent(content, *colour) if colour else content


def deep(values, *colour):
    """A PNG of 16 bits of grey, grey and alpha, RGB, or RGB and alpha."""
    kind = (0, 4, 2, 6)[values.shape[-1] - 1]
    content = png(values.shape[1], values.shape[0], 16, kind, [line.astype(">u2").tobytes() for line in values])
    return with_transparent(content, *colour) if colour else content


RAMP = (np.arange(WIDTH * HEIGHT, dtype=np.uint16) * 3 % 4096).reshape(HEIGHT, WIDTH, 1)
VALUES = {
    **{f"{bits} bits": RAMP >> 12 - bits if bits < 12 else RAMP << bits - 12 for bits in (8, 10, 12, 14, 16)},
    "a narrow range of high ones": 40_000 + RAMP // 4,
    "a narrow range of low ones": 100 + RAMP // 400,
    "one bright one": np.where(RAMP == 0, 65_535, RAMP // 8),
    "one": RAMP * 0 + 77,
}
ALPHA = RANDOM.integers(0, 2**16, RAMP.shape, np.uint16)
SOURCES = {
    "a GIF": gif((0, 0), canvas=(20, 15)),
    **{f"a GIF, {index} transparent": gif((0, 0), (20, 15), index) for index in (0, 5, 255)},
    "a GIF with its own palette": gif((0, 0), (20, 15), 5, own=OTHERS),
    "a GIF with its own palette alone": gif((0, 0), (20, 15), 5, own=OTHERS, shared=b""),
    "a GIF whose own palette is a ramp of greys": gif((0, 0), (20, 15), 5, own=GREYS),
    "a GIF whose own palette is a ramp of greys, smaller than its canvas": gif((7, 4), own=GREYS),
    "a GIF smaller than its canvas": gif((7, 4)),
    "a GIF at the start of its canvas": gif((0, 0)),
    "a transparent GIF smaller than its canvas": gif((7, 4), transparent=5),
    "a GIF that reaches out of its canvas": gif((30, 20)),
    "a GIF larger than its canvas": gif((0, 0), canvas=(10, 10)),
    "a GIF without a canvas": gif((0, 0), canvas=(0, 0)),
    **{
        f"grey of {depth} bits, {colour} transparent": grey(depth, colour)
        for depth in (1, 2, 4, 8, 16)
        for colour in {0, 1, 2**depth // 2, 2**depth - 1}
    },
    **{f"grey of {depth} bits": grey(depth) for depth in (1, 2, 4, 8, 16)},
    "a transparent grey that only looks at the lower bits": grey(2, 5),
    "two transparent greys": with_transparent(grey(8, 3), 200),
    **{f"grey of 1 bit, {value} transparent": grey(1, value) for value in (2, 3, 256, 257)},
    "a transparent colour in grey": with_transparent(grey(2), 1, 1, 1),
    "two orientations": png_with(grey(8), oriented(6), oriented(3)),
    "an empty orientation, and another": png_with(grey(8), b"", oriented(3)),
    "a transparent grey behind the pixels": grey(8)[:-12] + chunk(b"tRNS", b"\0\3") + grey(8)[-12:],
}


def palette(depth, colours, alphas, at=1):
    """A PNG with so many colours in its palette, and so many alphas behind it, or before it: at 0."""
    content = png(WIDTH, HEIGHT, depth, 3, packed(depth))
    chunks = [chunk(b"PLTE", COLOURS[: 3 * colours])]
    chunks.insert(at, chunk(b"tRNS", OTHERS[:alphas]))
    return content[:33] + b"".join(chunks) + content[33:]


for depth in (1, 2, 4, 8):
    most = 2**depth
    SOURCES |= {
        f"{most} colours, {alphas} alphas": palette(depth, most, alphas) for alphas in (0, 1, most, most + 1, 300)
    }
    SOURCES |= {f"{most} colours, {alphas} alphas before them": palette(depth, most, alphas, 0) for alphas in (1, most)}
    SOURCES |= {
        f"300 colours of {depth} bits, {alphas} alphas": palette(depth, 300, alphas) for alphas in (most, most + 1)
    }
for name, values in VALUES.items():
    SOURCES |= {
        f"grey of 16 bits, {name}": deep(values),
        f"transparent grey of 16 bits, {name}": deep(values, int(values[3, 3, 0])),
        f"grey and alpha of 16 bits, {name}": deep(np.dstack([values, ALPHA])),
        f"colours of 16 bits, {name}": deep(np.dstack([values, values[::-1], values[:, ::-1]])),
        f"a transparent colour of 16 bits, {name}": deep(np.dstack([values] * 3), *[int(values[3, 3, 0])] * 3),
        f"colours and alpha of 16 bits, {name}": deep(np.dstack([values, values[::-1], values, ALPHA])),
    }


def bmp(masks, size=108):
    """A BMP of 32 bits whose header has masks of red, green, blue and alpha."""
    header = struct.pack("<IiiHHIIiiII", size, WIDTH, HEIGHT, 1, 32, 3, 4 * WIDTH * HEIGHT, 2835, 2835, 0, 0)
    header = (header + struct.pack("<4I", *masks)).ljust(size, b"\0")
    front = b"BM" + struct.pack("<IHHI", 14 + size + 4 * WIDTH * HEIGHT, 0, 0, 14 + size)
    return front + header + RANDOM.bytes(4 * WIDTH * HEIGHT)


USUAL = (0xFF0000, 0xFF00, 0xFF, 0xFF000000)
SOURCES |= {f"a BMP with alpha, header of {size} bytes": bmp(USUAL, size) for size in (56, 108, 124)}
CLEAR = bytearray(bmp(USUAL))
CLEAR[14 + 108 + 3 :: 4] = bytes(WIDTH * HEIGHT)
SOURCES |= {"a BMP with nothing in its alpha": bytes(CLEAR), "a BMP without alpha": bmp((*USUAL[:3], 0))}


JPEG, EXIF = encoded(noise(1)), segment(0xE1, b"Exif\0\0" + oriented(6))
JFIF_END = 20
SOURCES |= {
    f"a JPEG with {name} before its EXIF data": JPEG[:JFIF_END] + odd + EXIF + JPEG[JFIF_END:]
    for name, odd in {
        "something": b"????",
        "a restart": b"\xff\xd0",
        "a segment of no length": b"\xff\xe1\0\0",
        "filled up markers": b"\xff\xff",
        "a comment": segment(0xFE, b""),
    }.items()
}
INK = encoded(Image.merge("CMYK", [noise(seed, mode="L") for seed in range(4)]))
MARKER = INK.index(b"\xff\xee")
SOURCES |= {
    "CMYK": INK,
    "CMYK that is not Adobe's": INK[:MARKER] + segment(0xEE, b"Adobe\0\x64\0\0") + INK[MARKER + 16 :],
}
SOURCES["a JPEG whose EXIF data lie behind empty ones and something"] = (
    JPEG[:2] + segment(0xE1, b"Exif\0\0") + EXIF + JPEG[2:JFIF_END] + b"??" + JPEG[JFIF_END:]
)


@pytest.mark.parametrize("name", SOURCES)
def test_a_server_sees_what_ingest_stores(name):
    np.testing.assert_array_equal(decode(SOURCES[name]), decode(check_image(SOURCES[name]).encoded))


def test_a_bmp_in_another_order_is_refused_where_it_is_served():
    with pytest.raises(
        import_tensorflow().errors.InvalidArgumentError, match="GIF or BMP of plain 24 or 32 bits, or is"
    ):
        decode(bmp(USUAL[2::-1] + USUAL[3:]))


def test_a_png_as_xcode_packs_it_is_refused_by_its_format_where_it_is_served():
    content = png(WIDTH, HEIGHT, 8, 0, packed(8))
    with pytest.raises(import_tensorflow().errors.InvalidArgumentError, match="An image is no JPEG, PNG"):
        decode(content[:8] + chunk(b"CgBI", b"\x50\0\x20\6") + content[8:])


def stored(content):
    return decode(check_image(content).encoded).numpy()


def test_what_is_not_drawn_of_a_canvas_is_white():
    drawn, pixels = stored(gif((0, 0), canvas=(20, 15))), stored(gif((7, 4)))
    np.testing.assert_array_equal(pixels[4:19, 7:27], drawn)
    pixels[4:19, 7:27] = 255
    assert pixels.min() == 255
    assert "alpha" in check_image(gif((7, 4))).conversions


@pytest.mark.parametrize("depth", [2, 4, 8, 16])
def test_the_transparent_grey_is_white_and_no_other(depth):
    steps = 2 ** min(depth, 8)
    values = np.arange(steps).repeat(8 // min(depth, 8)) * (257 if depth == 16 else 1)
    if depth < 8:
        bits = np.unpackbits(values.astype(np.uint8)[:, None], axis=1)[:, -depth:]
        lines = [np.packbits(bits.reshape(-1)).tobytes()]
    else:
        lines = [values.astype(">u2" if depth == 16 else np.uint8).tobytes()]
    shown = stored(with_transparent(png(len(values), 1, depth, 0, lines), int(values[len(values) // 2])))[0, :, 0]
    expected = np.arange(steps).repeat(8 // min(depth, 8)) * (255 // (steps - 1))
    expected[values == values[len(values) // 2]] = 255
    np.testing.assert_array_equal(shown, expected)


def test_a_colour_of_16_bits_is_transparent_by_all_of_them():
    values = np.full((2, 2, 3), 60_000, np.uint16)
    values[0] = (300, 512, 768), (301, 512, 768)
    shown = stored(deep(values, 300, 512, 768))
    np.testing.assert_array_equal(shown[0], [[255, 255, 255], [1, 2, 3]])
