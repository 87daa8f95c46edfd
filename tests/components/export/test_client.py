"""Images as people send them: the client function of the docs, the served graph and ingest make the same pixels of them."""

import inspect
import io

import numpy as np
import pytest
from pictures import encoded, noise
from PIL import ExifTags, Image
from support import ROOT

from graft.components.common.compute.decoding import decode
from graft.components.export import client
from graft.components.export.acceptance.made_images import make_images
from graft.components.ingest.images.checked_image import check_image


@pytest.fixture(scope="module")
def made():
    return make_images([encoded(noise(1, (300, 200))), encoded(noise(2, mode="L"), "PNG")])


def test_what_is_made(made):
    images = [Image.open(io.BytesIO(content)) for content in made]
    turned = [image for image in images if image.getexif().get(ExifTags.Base.Orientation, 1) != 1]
    assert {(image.format, image.getexif()[ExifTags.Base.Orientation]) for image in turned} == {
        (image_format, value) for image_format in ("JPEG", "PNG") for value in range(2, 9)
    }
    assert {image.getexif().endian for image in turned} == {"<", ">"}
    assert (len(turned), sum(image.mode == "RGBA" for image in images)) == (16, 8)


def test_one_way_to_make_pixels_of_them(made):
    for content in made:
        pixels = client.pixels_of(content)
        np.testing.assert_array_equal(pixels, decode(content))
        np.testing.assert_array_equal(pixels, decode(check_image(content).encoded))


def test_the_docs_show_the_function_that_parity_uses():
    _, _, code = inspect.getsource(client).partition('"""\n\n')
    assert f"```python\n{code}```\n" in (ROOT / "docs" / "export.md").read_text()
