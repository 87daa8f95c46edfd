"""Shrunk images, against Pillow's: hashes of earlier runs are compared with new ones, so each bit counts."""

import numpy as np
import pytest
from PIL import Image

from graft.components.ingest.images.shrinking import shrink


def check(width: int, height: int, side: int = 32) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (height, width), np.uint8)
    for levels in (noise, noise // 128 * 255):  # the latter overshoots at either end
        shrunk = Image.fromarray(levels).resize((side, side), Image.Resampling.LANCZOS)
        np.testing.assert_array_equal(shrink(levels, side), np.asarray(shrunk), f"{width}×{height} to {side}")


def test_they_are_those_of_pillow_to_the_bit():
    for width, height in np.random.default_rng(1).integers(1, 600, (60, 2)).tolist():
        check(width, height)
    for side in (1, 8, 12, 16):
        check(100, 75, side)


@pytest.mark.parametrize("width", [1, 31, 32, 33, 40, 500])
def test_which_way_comes_first_is_as_in_pillow(width: int):
    first_tall = max(33, 2 * width - 31)
    for height in (32, 33, first_tall - 1, first_tall):
        check(width, height)


@pytest.mark.parametrize(("width", "height"), [(1_025, 1_024), (4_000, 300), (65_000, 1), (1, 65_000)])
def test_large_ones_are_too(width: int, height: int):
    check(width, height)
