"""HEIC, what iPhones make, is read with its extra, and named with the remedy without it."""

import io
import sys

import numpy as np
import pytest
from PIL import Image
from support import ROOT

from graft.components.ingest.images.checked_image import check_image
from graft.components.ingest.images.limits import BadImageError
from graft.components.ingest.images.thumbnails import partial_thumbnail

PICTURE = (
    ROOT / "tests/fixtures/picture.heic"
).read_bytes()  # red grows to the right, green downwards, blue to the left


def test_heic_becomes_png():
    image = check_image(PICTURE)
    assert image.conversions == ("heif",) and (image.width, image.height) == (64, 48)
    pixels = np.asarray(Image.open(io.BytesIO(image.encoded), formats=["PNG"]), int)
    right, down = np.meshgrid(np.linspace(0, 255, 64), np.linspace(0, 255, 48))
    assert np.abs(pixels - np.dstack([right, down, 255 - right])).max() < 12


@pytest.mark.parametrize("end", [16, 300, len(PICTURE) // 2, len(PICTURE) - 1])
def test_a_damaged_one_is_named(end):
    with pytest.raises(BadImageError, match="is damaged|is not an image"):
        check_image(PICTURE[:end])
    partial_thumbnail(PICTURE[:end])


def test_without_the_extra_the_remedy_is_told(monkeypatch):
    monkeypatch.setitem(sys.modules, "pi_heif", None)
    with pytest.raises(BadImageError, match=r"pip install 'graft\[heic\]'"):
        check_image(PICTURE)


def test_avif_is_another_format():
    buffer = io.BytesIO()
    Image.new("RGB", (20, 10), "teal").save(buffer, "AVIF")
    assert check_image(buffer.getvalue()).conversions == ("avif",)
