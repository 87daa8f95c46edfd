"""JPEGs and PNGs that are plainly well-formed are stored byte by byte, up to their own end; others are written anew, or left out."""

import base64
import io
import zlib

import numpy as np
import pytest
from exif import jpeg_with, oriented
from hostile_web import MIB, PeakMemory
from kinds import png
from pictures import encoded, noise, record, split_files, write_folder
from PIL import Image, ImageChops

from graft.components.ingest.images.checked_image import check_image
from graft.components.ingest.images.limits import MAX_SCANS, BadImageError
from graft.components.ingest.ingest import ingest

RGB = noise(1)
JPEG, PROGRESSIVE, PNG = encoded(RGB), encoded(RGB, progressive=True), encoded(RGB, "PNG")
BEFORE_END = len(JPEG) - 2


def segment(marker, data):
    return bytes((0xFF, marker)) + (len(data) + 2).to_bytes(2) + data


def video():
    """What phones put behind a photograph: an MP4 with markers of JPEGs among its bytes."""
    coded = np.random.default_rng(0).bytes(5000) + b"\xff\xda\x01" * 2 * MAX_SCANS + b"\xff\xd9\xff\xda"
    return b"\0\0\0\x18ftypmp42\0\0\0\0isommp42" + (8 + len(coded)).to_bytes(4) + b"mdat" + coded


BEHIND = {
    "a video": video(),
    "zeros": bytes(100),
    "text": b"sent by a messenger",
    "pictures of many scans": PROGRESSIVE * 20,
    "a beginning": JPEG[:40],
}


@pytest.mark.parametrize("image", [JPEG, PROGRESSIVE, PNG], ids=["jpeg", "progressive", "png"])
@pytest.mark.parametrize("name", BEHIND)
def test_what_lies_behind_the_end_is_cut_off(image, name):
    checked = check_image(image + BEHIND[name])
    assert checked.encoded == image and not checked.conversions


def test_of_a_phones_several_pictures_the_first_is_stored():
    phone = encoded(RGB, "MPO", save_all=True, append_images=[noise(2)])
    stored = check_image(phone).encoded
    assert phone.startswith(stored) and stored.endswith(b"\xff\xd9") and stored.count(b"\xff\xd8\xff") == 1
    np.testing.assert_array_equal(Image.open(io.BytesIO(stored)), Image.open(io.BytesIO(phone)))


PLAIN = {
    "chroma 4:4:4": encoded(RGB, subsampling=0),
    "chroma 4:2:2": encoded(RGB, subsampling=1),
    "RGB": encoded(RGB, keep_rgb=True),
    "restarts": encoded(RGB, restart_marker_blocks=1),
    "optimized": encoded(RGB, optimize=True, quality=98),
    "a profile, a comment": encoded(RGB, icc_profile=b"p" * 70_000, comment=b"c" * 60_000),
    "an application's data before the end": JPEG[:BEFORE_END] + segment(0xE5, b"data") + JPEG[BEFORE_END:],
    "a marker filled up": JPEG[:BEFORE_END] + b"\xff\xff\xff" + JPEG[BEFORE_END:],
}


@pytest.mark.parametrize("name", PLAIN)
def test_a_plain_jpeg_is_stored_as_it_is(name):
    assert check_image(PLAIN[name]).encoded == PLAIN[name]


def lossless():
    """A grey JPEG of 24×16 pixels, each of which is as the one before it."""
    frame, table = bytes((8, 0, 16, 0, 24, 1, 1, 0x11, 0)), bytes((0, 1, *[0] * 15, 0))
    scan = segment(0xDA, bytes((1, 1, 0, 1, 0, 0))) + bytes(24 * 16 // 8)
    return b"\xff\xd8" + segment(0xC3, frame) + segment(0xC4, table) + scan + b"\xff\xd9"


# A ramp through `jpegtran -arithmetic`.
ARITHMETIC = base64.b85decode(
    b"|JeWF01!$>Nk#wx0RR9200961|JwjV01yid4h#wq4h;?x5fBp?C>j_R78o%jB^@X_Gd(;xGdMRuNL)@pL{~*OI8bd-S6^ahXlFi6ad~iLcwA*?"
    b"WB<tj3kU!Z02l!Q5di<p00saM5C#9*00;pA002J#{{U#HNNN|&by>7hue<q1&H}yb57PhH"
)
LAST_SCAN = PROGRESSIVE.rindex(b"\xff\xda")
FRAME = JPEG.index(b"\xff\xc0")
ODD = {
    "a segment beyond the end": JPEG[:BEFORE_END] + b"\xff\xe1\xff\xff" + JPEG[BEFORE_END:],
    "something between segments": JPEG[:FRAME] + b"??" + JPEG[FRAME:],
    "a marker filled up before the scan": JPEG[:FRAME] + b"\xff" + JPEG[FRAME:],
    "coded data that are not an image's": JPEG[: BEFORE_END - 90] + b"\xff\xd7" * 40 + JPEG[BEFORE_END - 10 :],
    "scans that are missing": PROGRESSIVE[:LAST_SCAN] + PROGRESSIVE[-2:],
    "arithmetic coding": ARITHMETIC,
    "lossless": lossless(),
    "cmyk": encoded(RGB.convert("CMYK")),
}


@pytest.mark.parametrize("name", ODD)
def test_what_not_everybody_reads_alike_is_written_anew(name):
    checked, shown = check_image(ODD[name]), Image.open(io.BytesIO(ODD[name]))
    stored = Image.open(io.BytesIO(checked.encoded))
    assert stored.format == "PNG" and {"rewritten", "cmyk"} & {*checked.conversions}
    np.testing.assert_array_equal(stored, shown.convert(stored.mode))


@pytest.mark.parametrize("writer", ["Adobe", "another", "one that only says Adobe"])
def test_cmyk_is_no_negative_with_and_without_adobes_marker(writer):
    ink = RGB.resize((240, 160)).convert("CMYK")
    jpeg = encoded(ink if writer == "Adobe" else ImageChops.invert(ink), quality=95)
    marker = jpeg.index(b"\xff\xee")
    if writer != "Adobe":
        said = segment(0xEE, b"Adobe\0\x64\0\0") if "says" in writer else b""
        jpeg = jpeg[:marker] + said + jpeg[marker + 2 + int.from_bytes(jpeg[marker + 2 : marker + 4]) :]
    stored = np.asarray(Image.open(io.BytesIO(check_image(jpeg).encoded)), int)
    assert np.abs(stored - np.asarray(ink.convert("RGB"), int)).mean() < 3


def test_a_turned_jpeg_that_may_be_damaged_is_named_as_well():
    turned = jpeg_with(JPEG, oriented(6))
    assert check_image(turned).conversions == ("rotated",)
    cut = turned[: len(turned) * 3 // 4] + turned[-2:]
    assert check_image(cut).conversions == ("rotated", "rewritten")


LEFT_OUT = {
    "12 bits": JPEG[: FRAME + 4] + b"\x0c" + JPEG[FRAME + 5 :],
    "a bomb": PROGRESSIVE[:-2] + PROGRESSIVE[LAST_SCAN:-2] * MAX_SCANS + PROGRESSIVE[-2:],
    "a bomb with something odd": PROGRESSIVE[:-2] + b"\xff\xf5" + PROGRESSIVE[LAST_SCAN:-2] * MAX_SCANS,
    "an unknown segment": JPEG[:FRAME] + segment(0xF5, b"data") + JPEG[FRAME:],
    "no end, behind a preview with one": JPEG[:2]
    + segment(0xE1, b"Exif\0\0" + JPEG)
    + JPEG[2:BEFORE_END]
    + b"\xff\xd0",
    "a header alone": JPEG[:FRAME] + b"\xff\xd9",
}


@pytest.mark.parametrize("name", LEFT_OUT)
def test_what_nobody_reads_is_left_out(name):
    with pytest.raises(BadImageError, match="scans" if "bomb" in name else "damaged|format|cut off"):
        check_image(LEFT_OUT[name])


def chunk(name, data):
    return len(data).to_bytes(4) + name + data + zlib.crc32(name + data).to_bytes(4)


DATA, END = PNG.index(b"IDAT") - 4, PNG[-12:]


@pytest.mark.parametrize("at", [DATA, -12], ids=["before", "behind"])
def test_what_a_png_holds_besides_its_pixels_is_not_stored(at):
    text = chunk(b"zTXt", b"Comment\0\0" + zlib.compress(bytes(2_000_000)))
    others = chunk(b"gAMA", b"\0\0\xb1\x8f") + chunk(b"prVt", b"an editor's") + text
    assert check_image(PNG[:at] + others + PNG[at:]).encoded == PNG


METADATA = {
    "a long text": chunk(b"zTXt", b"Comment\0\0" + zlib.compress(bytes(2_000_000))),
    "long XMP": chunk(b"iTXt", b"XML:com.adobe.xmp\0\1\0\0\0" + zlib.compress(bytes(2_000_000))),
    "a large profile": chunk(b"iCCP", b"scanner\0\0" + zlib.compress(bytes(1_500_000))),
    "a damaged profile": chunk(b"iCCP", b"junk"),
    "short ones": b"".join(chunk(name, b"") for name in (b"gAMA", b"cHRM", b"sRGB", b"pHYs")),
    "a wrong checksum": chunk(b"tEXt", b"Title\0cat")[:-1] + b"?",
}


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "P"])
@pytest.mark.parametrize("name", METADATA)
def test_a_pngs_metadata_spoil_no_image(name, mode):
    plain = encoded(noise(1, mode="RGBA").convert(mode), "PNG")
    image, expected = check_image(plain[:33] + METADATA[name] + plain[33:]), check_image(plain)
    assert (image.brightness, image.phash) == (expected.brightness, expected.phash)


def test_a_png_of_many_parts_and_an_interlaced_one_are_stored_as_they_are():
    data = PNG[DATA + 8 : -16]
    parts = PNG[:DATA] + b"".join(chunk(b"IDAT", data[start : start + 50]) for start in range(0, len(data), 50)) + END
    assert check_image(parts).encoded == parts
    # A single pixel: of seven passes the first alone is not empty.
    one = bytearray(png(1, 1, 8, 2, [b"abc"]))
    one[28] = 1
    interlaced = bytes(one[:8]) + chunk(b"IHDR", bytes(one[16:29])) + bytes(one[33:])
    assert check_image(interlaced).encoded == interlaced


def test_a_png_of_very_many_parts_is_written_anew_and_takes_little_memory():
    content, memory = PNG[:DATA] + 200_000 * chunk(b"IDAT", b"") + PNG[DATA:], PeakMemory()
    checked = check_image(content)
    assert checked.conversions == ("rewritten",)
    np.testing.assert_array_equal(Image.open(io.BytesIO(checked.encoded)), RGB)
    assert memory.grown() < 60 * MIB


def test_a_png_whose_data_lack_their_checksum_is_written_anew():
    checked = check_image(PNG[:DATA] + chunk(b"IDAT", PNG[DATA + 8 : -20]) + END)
    assert checked.conversions == ("rewritten",)
    np.testing.assert_array_equal(Image.open(io.BytesIO(checked.encoded)), RGB)


def test_what_may_be_damaged_is_named(tmp_path):
    odd = {f"train/cats/{number}.jpg": ODD["a segment beyond the end"] for number in "xyz"}
    odd |= {"train/dogs/x.jpg": ODD["cmyk"]}
    ingest(str(write_folder(tmp_path / "source", split_files() | odd)), tmp_path / "dataset")
    (warning,) = record(tmp_path / "dataset")["warnings"]
    assert "(3): 'train/cats/x.jpg', 'train/cats/y.jpg', 'train/cats/z.jpg'. Look" in warning


def test_a_png_as_xcode_packs_it_is_named():
    """Its pixels are compressed without zlib's header, and blue comes first."""
    chunk = b"CgBI\x50\x00\x20\x06"
    packed = PNG[:8] + b"\0\0\0\4" + chunk + zlib.crc32(chunk).to_bytes(4) + PNG[8:]
    start = packed.index(b"IDAT") + 4
    with pytest.raises(BadImageError, match=r"is a PNG as Xcode packs it into apps: take the one that it was made of"):
        check_image(packed[:start] + packed[start + 2 :])
