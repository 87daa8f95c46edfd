"""How an image lies by its EXIF data: the same for Python as for TensorFlow's operations, and turned as Pillow does it."""

import io

import numpy as np
import pytest
from exif import UNTOUCHED, WELL_FORMED, jpeg_with, oriented
from PIL import Image, ImageOps

from graft.components.common.compute.images.orientation import UPRIGHT, orientation, upright

BUFFER = io.BytesIO()
Image.fromarray(np.arange(24 * 16 * 3, dtype=np.uint8).reshape(16, 24, 3)).save(BUFFER, "JPEG")
JPEG = BUFFER.getvalue()


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("value", range(1, 9))
def test_all_orientations_in_both_orders_of_bytes(value, order):
    assert orientation(oriented(value, order)) == value
    opened = Image.open(io.BytesIO(jpeg_with(JPEG, oriented(value, order))))
    np.testing.assert_array_equal(upright(opened), ImageOps.exif_transpose(opened))


@pytest.mark.parametrize("name", WELL_FORMED)
def test_an_orientation_is_found(name):
    assert orientation(WELL_FORMED[name]) == 6


@pytest.mark.parametrize("name", UNTOUCHED)
def test_what_is_malformed_leaves_an_image_as_it_is(name):
    assert orientation(UNTOUCHED[name]) == UPRIGHT
