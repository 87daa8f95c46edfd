"""TensorFlow decodes every image to the pixels that Pillow gives: upright, on white, to the level."""

import io
import struct
from pathlib import Path

import numpy as np
import pytest
from exif import UNTOUCHED, WELL_FORMED, chunk, jpeg_with, oriented, png_with
from PIL import Image, ImageOps

from graft.components.common.compute.decoding import decode
from graft.components.common.compute.tensorflow import import_tensorflow
from graft.components.train.network.preprocessing import build_preprocessing

SIZE = (35, 22)


@pytest.fixture(scope="module")
def decoded():
    tf = import_tensorflow()
    compiled = tf.function(decode, input_signature=[tf.TensorSpec((), tf.string)])
    return lambda content: compiled(content).numpy()


def picture(mode="RGB", seed=0):
    channels = {"L": (), "LA": (2,), "RGB": (3,), "RGBA": (4,)}[mode]
    smooth = np.random.default_rng(seed).integers(0, 256, (6, 8, *channels), np.uint8)
    return Image.fromarray(smooth).resize(SIZE, Image.Resampling.NEAREST)


def encoded(image, image_format="PNG", **options):
    buffer = io.BytesIO()
    image.save(buffer, image_format, **options)
    return buffer.getvalue()


def by_pillow(content):
    image = ImageOps.exif_transpose(Image.open(io.BytesIO(content)))
    if image.has_transparency_data:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    return np.asarray(image.convert("RGB"))


JPEG, PNG = encoded(picture(), "JPEG"), encoded(picture())
PUT_INTO = [(jpeg_with, JPEG), (png_with, PNG)]


@pytest.mark.parametrize(
    "options", [{}, {"quality": 30}, {"progressive": True}, {"subsampling": 0}, {"subsampling": 1}, {"optimize": True}]
)
@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_a_jpeg_to_the_level(decoded, mode, options):
    content = encoded(picture(mode), "JPEG", **options)
    np.testing.assert_array_equal(decoded(content), by_pillow(content))


@pytest.mark.parametrize(("put", "image"), PUT_INTO, ids=["jpeg", "png"])
@pytest.mark.parametrize("order", "<>")
def test_all_orientations_in_both_orders_of_bytes(decoded, put, image, order):
    for value in range(1, 9):
        content = put(image, oriented(value, order))
        np.testing.assert_array_equal(decoded(content), by_pillow(content), f"orientation {value}")


@pytest.mark.parametrize(("put", "image"), PUT_INTO, ids=["jpeg", "png"])
@pytest.mark.parametrize("name", WELL_FORMED)
def test_an_orientation_is_found(decoded, put, image, name):
    np.testing.assert_array_equal(decoded(put(image, WELL_FORMED[name])), np.rot90(by_pillow(image), -1))


@pytest.mark.parametrize(("put", "image"), PUT_INTO, ids=["jpeg", "png"])
@pytest.mark.parametrize("name", UNTOUCHED)
def test_what_is_malformed_leaves_an_image_as_it_is(decoded, put, image, name):
    np.testing.assert_array_equal(decoded(put(image, UNTOUCHED[name])), by_pillow(image))


@pytest.mark.parametrize(("put", "image"), PUT_INTO, ids=["jpeg", "png"])
def test_of_several_blocks_the_first_counts(decoded, put, image):
    turned = np.rot90(by_pillow(image), -1)
    np.testing.assert_array_equal(decoded(put(image, oriented(6), oriented(3))), turned)
    np.testing.assert_array_equal(decoded(put(image, oriented(9), oriented(3))), by_pillow(image))


def segment(marker, payload):
    return bytes([0xFF, marker]) + struct.pack(">H", 2 + len(payload)) + payload


def test_where_a_jpeg_may_have_it(decoded):
    upright, turned = by_pillow(JPEG), np.rot90(by_pillow(JPEG), -1)
    exif = segment(0xE1, b"Exif\0\0" + oriented(6))
    comment, xmp = segment(0xFE, exif), segment(0xE1, b"http://ns.adobe.com/xap/1.0/\0" + exif)
    tables = JPEG.index(b"\xff\xdb")
    for front in (comment, xmp, comment + xmp + segment(0xE2, b"\0" * 65_533)):
        np.testing.assert_array_equal(decoded(JPEG[:2] + front + JPEG[2:]), upright)
        np.testing.assert_array_equal(decoded(JPEG[:2] + front + exif + JPEG[2:]), turned)
    np.testing.assert_array_equal(decoded(JPEG[:2] + b"\xff\xff\xff" + exif + JPEG[2:]), turned)
    np.testing.assert_array_equal(decoded(JPEG[:tables] + exif + JPEG[tables:]), turned)
    np.testing.assert_array_equal(decoded(JPEG + exif + jpeg_with(JPEG, oriented(6))), upright)


def test_where_a_png_may_have_it(decoded):
    upright, turned = by_pillow(PNG), np.rot90(by_pillow(PNG), -1)
    np.testing.assert_array_equal(decoded(png_with(PNG, oriented(6), at=len(PNG) - 12)), turned)
    for other in (chunk(b"tEXt", b"a\0" + chunk(b"eXIf", oriented(6))), chunk(b"exIf", oriented(6))):
        np.testing.assert_array_equal(decoded(PNG[:33] + other + PNG[33:]), upright)
    np.testing.assert_array_equal(decoded(PNG + chunk(b"eXIf", oriented(6))), upright)


ALPHAS = Image.fromarray(np.arange(256, dtype=np.uint8).reshape(1, 256).repeat(256, axis=0))
LEVELS = ALPHAS.transpose(Image.Transpose.TRANSPOSE)
TRANSPARENT = {
    "every level and alpha": encoded(Image.merge("RGBA", (LEVELS, LEVELS, ALPHAS, ALPHAS))),
    "grey of every level and alpha": encoded(Image.merge("LA", (LEVELS, ALPHAS))),
    "all of it": encoded(Image.new("RGBA", SIZE)),
    "a grey level": encoded(picture("L"), transparency=picture("L").getpixel((0, 0))),
    "a colour": encoded(picture(), transparency=picture().getpixel((0, 0))),
    "1-bit grey": encoded(picture("L").convert("1"), transparency=1),
    "turned": encoded(picture("RGBA"), exif=b"Exif\0\0" + oriented(7)),
} | {
    f"palette of {colours}": encoded(picture().quantize(colours), transparency=bytes(range(colours)))
    for colours in (2, 4, 16, 255)
}
OPAQUE = {
    "1-bit grey": encoded(picture("L").convert("1")),
    "grey": encoded(picture("L")),
    "alpha without an effect": encoded(picture("RGBA").convert("RGB").convert("RGBA")),
} | {f"palette of {colours}": encoded(picture().quantize(colours)) for colours in (2, 4, 16, 256)}


@pytest.mark.parametrize("content", [*TRANSPARENT.values(), *OPAQUE.values()], ids=[*TRANSPARENT, *OPAQUE])
def test_a_png_on_white_to_the_level(decoded, content):
    np.testing.assert_array_equal(decoded(content), by_pillow(content))


@pytest.mark.parametrize("content", [encoded(picture().quantize(16), "GIF"), encoded(picture(), "BMP")])
def test_what_has_no_exif(decoded, content):
    np.testing.assert_array_equal(decoded(content), by_pillow(content))


def animation(*sizes, screen=(1, 1)):
    """A GIF of images of some sizes, whatever its screen's is."""
    parts = []
    for size in sizes:
        content = encoded(Image.new("P", size), "GIF")
        parts.append(content[content.index(b"\x2c" + struct.pack("<4H", 0, 0, *size)) : -1])
    front = encoded(picture().quantize(2), "GIF")
    front = front[: front.index(b"\x2c" + struct.pack("<4H", 0, 0, *SIZE))]
    return front[:6] + struct.pack("<2H", *screen) + front[10:] + b"".join(parts) + b";"


SIDE = 10_001
LARGE = {
    "a PNG": encoded(Image.new("L", (SIDE, SIDE))),
    "a transparent PNG": encoded(Image.new("1", (SIDE, SIDE)), transparency=1),
    "a long PNG": encoded(Image.new("1", (33_000, 1))),
    "a JPEG": encoded(Image.new("L", (16, 16)), "JPEG").replace(
        struct.pack(">2H", 16, 16), struct.pack(">2H", SIDE, SIDE)
    ),
    "a JPEG with EXIF data": jpeg_with(JPEG, oriented(6)).replace(
        struct.pack(">2H", *SIZE[::-1]), struct.pack(">2H", SIDE, SIDE)
    ),
    "a GIF": animation((SIDE, SIDE)),
    "a GIF that says it is small": animation((60_000, 1), (1, 60_000)),
}


@pytest.mark.parametrize("content", LARGE.values(), ids=LARGE)
def test_too_many_pixels_are_refused_before_they_are_decoded(decoded, content):
    decoded(PNG)  # whichever test comes first makes the graph
    before = resident()
    with pytest.raises(
        import_tensorflow().errors.InvalidArgumentError,
        match=r"more than 32768 pixels a side or 100 million in all: send",
    ):
        decoded(content)
    assert resident() - before < 20 * 2**20


def test_of_an_animation_the_first_image_alone_is_decoded(decoded):
    assert decoded(animation((20, 30), (60_000, 1), (1, 60_000))).shape == (30, 20, 3)
    frames = [picture(seed=seed).quantize(200) for seed in range(3)]
    for options in ({}, {"loop": 0}, {"comment": b"x" * 999}, {"interlace": 0}):
        content = encoded(frames[0], "GIF", save_all=True, append_images=frames[1:], **options)
        np.testing.assert_array_equal(decoded(content), by_pillow(content))


def resident():
    """The most memory that this process had so far, in bytes."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM"))


def in_blocks_of_a_byte(gif):
    """A GIF without extensions whose data come a byte a block, each with a length before it."""
    start = 13 + 3 * (2 << gif[10] % 8) + 11
    data, place = b"", start
    while gif[place]:
        data += gif[place + 1 : place + 1 + gif[place]]
        place += gif[place] + 1
    return gif[:start] + b"".join(b"\1" + data[at : at + 1] for at in range(len(data))) + b"\0;"


def test_a_gif_of_too_many_blocks_is_refused_before_it_takes_long(decoded):
    noise = Image.effect_noise((300, 300), 100).quantize(256)
    few, many = (in_blocks_of_a_byte(encoded(image, "GIF")) for image in (noise.crop((0, 0, 90, 90)), noise))
    assert len(few) < 2**16 < len(many) // 2
    assert decoded(few).shape == (90, 90, 3)
    with pytest.raises(import_tensorflow().errors.InvalidArgumentError):
        decoded(many)


def test_a_gif_whose_image_is_not_found_is_not_called_too_large(decoded):
    whole = encoded(picture().quantize(2), "GIF")
    behind = 13 + 3 * (2 << whole[10] % 8)
    for before in (b"junk", 40 * b"\x21\xfe\1x\0", b"\x21\xfe" + 3000 * (b"\xff" + 255 * b"x") + b"\0"):
        with pytest.raises(import_tensorflow().errors.InvalidArgumentError, match="An image is no JPEG"):
            decoded(whole[:behind] + before + whole[behind:])


@pytest.mark.parametrize(
    "content",
    [
        *(b"", b"GIF89a", animation((9, 9))[:-5], b"Hello, this is a text.", JPEG[:-200], PNG[:-50], PNG[:8]),
        *(encoded(picture(), "WEBP"), encoded(picture().quantize(16), "BMP"), encoded(picture("L"), "BMP"), b"BM"),
    ],
)
def test_what_is_no_image(decoded, content):
    with pytest.raises(import_tensorflow().errors.InvalidArgumentError):
        decoded(content)


def test_a_square_is_turned_as_the_image_is(decoded):
    tf = import_tensorflow()
    preprocessing = build_preprocessing(16)
    compiled = tf.function(lambda content: decode(content, preprocessing), [tf.TensorSpec((), tf.string)])
    for value in range(1, 9):
        content = jpeg_with(JPEG, oriented(value))
        expected = preprocessing(decoded(content)[None])[0]
        np.testing.assert_allclose(compiled(content), expected, atol=1e-5, err_msg=f"orientation {value}")
