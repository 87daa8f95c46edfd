"""Images as people send them to a server, made from a dataset's: turned, transparent, grey, tiny, and such as can't be decoded."""

import io
import zlib
from collections.abc import Sequence
from typing import Any

import numpy as np
from PIL import ExifTags, Image

from graft.components.common.compute.decoding import decode
from graft.components.common.compute.keras_models import NETWORK, PREPROCESSING
from graft.components.common.compute.predictions import by_class
from graft.components.common.compute.tensorflow import import_tensorflow
from graft.components.export.client import pixels_of

_OF_A_KIND = 8
_SIDE = 160
_HUGE = 40_000


def make_images(encoded: Sequence[bytes]) -> list[bytes]:
    """Makes small images from others: 8 JPEGs and 8 PNGs that their EXIF data turns, 8 transparent PNGs, a grey JPEG and one pixel."""
    first = Image.fromarray(decode(encoded[0]).numpy())
    made = [_encode(first.convert("L"), "JPEG"), _encode(first.resize((1, 1)), "PNG")]
    for number in range(_OF_A_KIND):
        image = Image.fromarray(decode(encoded[number % len(encoded)]).numpy())
        image.thumbnail((_SIDE, _SIDE))
        exif = Image.Exif()
        exif.endian = "<>"[number % 2]
        exif[ExifTags.Base.Orientation] = 2 + number % 7
        made += [_encode(image, "JPEG", exif=exif), _encode(image, "PNG", exif=exif)]
        image.putalpha(Image.linear_gradient("L").resize(image.size))
        made.append(_encode(image, "PNG"))
    return made


def unreadable_images(encoded: bytes) -> dict[str, bytes]:
    """Makes what a server must answer with an error, by what it is, from an image."""
    image = Image.fromarray(decode(encoded).numpy())
    jpeg, png = _encode(image, "JPEG"), _encode(image, "PNG")
    size = (_HUGE).to_bytes(4, "big") * 2
    header = png[12:16] + size + png[24:29]
    return {
        "a cut-off JPEG": jpeg[: len(jpeg) // 2],
        "text": b"no image",
        "an empty file": b"",
        "a PNG that claims to be 40,000 pixels wide": png[:12]
        + header
        + zlib.crc32(header).to_bytes(4, "big")
        + png[33:],
    }


def probabilities_of(model: Any, encoded: Sequence[bytes]) -> np.ndarray[Any, Any]:
    """Returns what a Keras model gives for the pixels of images, float32 [N, classes]."""
    tf = import_tensorflow()
    preprocessing, network = model.get_layer(PREPROCESSING), model.get_layer(NETWORK)
    prepared = [preprocessing(pixels_of(content)[None], training=False) for content in encoded]
    return by_class(network(tf.concat(prepared, axis=0), training=False).numpy())


def _encode(image: Image.Image, image_format: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, image_format, **options)
    return buffer.getvalue()
