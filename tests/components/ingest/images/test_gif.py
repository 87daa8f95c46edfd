"""GIFs give what Pillow gives, whatever their comments are."""

import io

import numpy as np
import pytest
from hostile_web import PeakMemory
from PIL import Image

from graft.components.ingest.images.checked_image import check_image
from graft.components.ingest.images.gif import without_comments

COMMENT = b"\x21\xfe\x01a\0"


def gif(**options):
    buffer = io.BytesIO()
    image = Image.effect_noise((60, 40), 90).quantize(64)
    image.save(buffer, "GIF", save_all=True, append_images=[image.rotate(90)], **options)
    return buffer.getvalue()


def with_extension(content, extension):
    """A GIF with more before its first image."""
    place = 13 + 3 * (2 << content[10] % 8)
    return content[:place] + extension + content[place:]


@pytest.mark.parametrize(
    "content",
    [
        gif(),
        gif(comment=b"x" * 999),
        gif(loop=0, duration=40),
        gif(transparency=3, disposal=2),
        with_extension(gif(), COMMENT * 9),
    ],
)
def test_the_first_image_is_what_it_was(content):
    kept = without_comments(content)
    assert b"\x21\xfe" not in kept[: kept.index(b"\x2c")]
    expected, found = (np.asarray(Image.open(io.BytesIO(one)).convert("RGBA")) for one in (content, kept))
    np.testing.assert_array_equal(found, expected)


def test_many_comments_take_little_memory():
    content = with_extension(gif(), COMMENT * 400_000)
    memory = PeakMemory()
    assert check_image(content).width == 60
    assert memory.grown() < 32 * 2**20


@pytest.mark.parametrize("length", range(0, 14))
def test_what_is_cut_stays_cut(length):
    assert without_comments(gif()[:length]) == gif()[:length]


def test_no_other_file_is_touched():
    assert without_comments(b"GIF7" + COMMENT * 9) == b"GIF7" + COMMENT * 9
