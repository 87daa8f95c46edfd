"""Grey of more than 8 bits is shown as viewers do, and what comes out blank all the same is named."""

import io

import numpy as np
import pytest
from pictures import encoded, record, split_files, write_folder
from PIL import Image, TiffImagePlugin

from graft.components.ingest.images.checked_image import check_image
from graft.components.ingest.images.grey_levels import as_8_bits
from graft.components.ingest.images.thumbnails import thumbnail
from graft.components.ingest.ingest import ingest

RAMP = np.linspace(0, 1, 24 * 16).reshape(16, 24)


def with_one(value, values=RAMP):
    changed = values.copy()
    changed[0, 1] = value
    return changed


@pytest.mark.parametrize(
    "values",
    [
        RAMP.astype(np.float32),
        with_one(np.nan).astype(np.float32),
        with_one(np.inf).astype(np.float32),
        with_one(1.02).astype(np.float32),
        with_one(-0.02).astype(np.float32),
        (RAMP * 255).astype(np.float32),
        (RAMP * 4095).astype(np.float32),
        (RAMP * 2 - 1).astype(np.float32),
        (RAMP * 1e6).astype(np.float32),
        *((RAMP * (2**bits - 1)).round().astype(np.uint16) for bits in (8, 10, 12, 14, 16)),
        (RAMP * 2000 - 1000).round().astype(np.int32),
    ],
    ids=repr,
)
def test_a_ramp_stays_a_ramp(values):
    shown = np.asarray(as_8_bits(Image.fromarray(values)), int)
    expected = (RAMP * 255).round()
    odd = np.zeros(RAMP.shape, bool)
    odd[0, 1] = True
    assert np.abs(shown - expected)[~odd].max() <= 2


def test_a_tiff_whose_zero_is_white_is_turned_round():
    tags = TiffImagePlugin.ImageFileDirectory_v2()
    tags[TiffImagePlugin.PHOTOMETRIC_INTERPRETATION] = 0
    content = bytearray(encoded(Image.fromarray((RAMP * 65535).astype(np.uint16)), "TIFF"))
    place = content.index(b"\x06\x01\x03\x00\x01\x00\x00\x00\x01\x00")
    content[place + 8] = 0
    assert check_image(bytes(content)).brightness == pytest.approx(127.5, abs=1)
    first = np.asarray(Image.open(io.BytesIO(check_image(bytes(content)).encoded)))[0, 0]
    assert first == 255


def test_twelve_bits_are_bright_in_the_thumbnail_as_well():
    content = encoded(Image.fromarray((RAMP * 4095).astype(np.uint16)), "PNG")
    assert check_image(content).brightness == pytest.approx(127.5, abs=1)
    assert check_image(thumbnail(content)).brightness == pytest.approx(127.5, abs=3)


def bmp(alpha):
    """A BMP of 32 bits with a channel for alpha."""
    grey = (RAMP * 255).astype(np.uint8)
    pixels = np.dstack([grey, grey, grey, np.full_like(grey, alpha)])[::-1].tobytes()
    masks = b"".join(mask.to_bytes(4, "little") for mask in (0xFF0000, 0xFF00, 0xFF, 0xFF000000))
    numbers = (108, 24, 16, 1 | 32 << 16, 3, len(pixels), 2835, 2835, 0, 0)
    header = b"".join(number.to_bytes(4, "little") for number in numbers) + masks + b"BGRs" + bytes(48)
    offset = 14 + len(header)
    return (
        b"BM" + (offset + len(pixels)).to_bytes(4, "little") + bytes(4) + offset.to_bytes(4, "little") + header + pixels
    )


def test_a_bmp_without_alpha_is_opaque():
    image = check_image(bmp(0))
    assert image.brightness == pytest.approx(127, abs=1) and "blank" not in image.conversions
    assert check_image(bmp(128)).brightness > 180


def invisible():
    image = Image.fromarray((RAMP * 255).astype(np.uint8)).convert("RGBA")
    image.putalpha(0)
    return encoded(image, "PNG")


@pytest.mark.parametrize("shape", [(16, 24), (16, 24, 3)])
def test_what_was_blank_before_is_not(shape):
    for level in (0, 255):
        content = encoded(Image.fromarray(np.full(shape, level, np.uint8)), "TIFF")
        assert "blank" not in check_image(content).conversions


def test_a_warning_names_what_came_out_blank(tmp_path):
    files = split_files() | {"train/cats/seen.png": invisible()}
    ingest(str(write_folder(tmp_path / "source", files)), tmp_path / "dataset")
    assert any(
        "came out nearly black" in line and "seen.png" in line for line in record(tmp_path / "dataset")["warnings"]
    )
