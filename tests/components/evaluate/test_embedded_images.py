"""Pictures in the report show images as they are seen."""

import io

from exif import jpeg_with, oriented
from PIL import Image

from graft.components.evaluate.report.embedded_images import decode


def test_a_turned_jpeg_is_shown_upright_in_full_and_smaller():
    buffer = io.BytesIO()
    Image.new("RGB", (400, 200)).save(buffer, "JPEG")
    turned = jpeg_with(buffer.getvalue(), oriented(6))
    assert decode(turned).size == (200, 400)
    assert decode(turned, 50).size == (100, 200)
