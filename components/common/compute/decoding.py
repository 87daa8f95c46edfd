"""Decoding images: the one way to do it, for training, evaluation, predictions and what is served."""

import functools
from typing import Any

from graft.components.common.compute.images import bmp
from graft.components.common.compute.images.encoded_parts import holds, jpeg_exif, number, part, png_chunk
from graft.components.common.compute.images.exif_orientation import UPRIGHT, orientation
from graft.components.common.compute.images.gif import first_image
from graft.components.common.compute.images.levels import MAX_SHALLOW, levels, upper
from graft.components.common.compute.tensorflow import import_tensorflow

VERSION = "decoded as Pillow does, upright, on white; resized bilinearly to twice the side, then to it"
"""What becomes of an image before the backbone, for the keys of what is kept: whoever changes decoding or the layers of the preprocessing
changes this text."""
MAX_SIDE = 32_768
"""Pixels that an image may have along a side."""
MAX_PIXELS = 100_000_000
"""Pixels that an image may have in all: a few kilobytes can be billions of them."""
TOO_LARGE = f"An image has more than {MAX_SIDE} pixels a side or {MAX_PIXELS // 10**6} million in all: send it smaller."

UNKNOWN = "An image is no JPEG, PNG, GIF or BMP of plain 24 or 32 bits, or is damaged: send it as PNG."

_JPEG, _GIF, _BMP = b"\xff\xd8\xff", b"GIF8", b"BM"
_PNG = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR"  # Xcode puts another chunk before the header, and compresses in its own way
_PNG_COLOUR_TYPE = 25  # where it stands (https://www.w3.org/TR/png-3/#11IHDR)
_GREY, _PALETTE, _WITH_ALPHA = b"\x00", b"\x03", (b"\x04", b"\x06")
_GREY_SIZE, _RGB_SIZE = 2, 6  # bytes of a transparent colour
_PNG_BIT_DEPTH, _DEEP = 24, b"\x10"


def decode(encoded: Any, preprocessing: Any = None) -> Any:
    """Decodes an image to the pixels that ingest stores, also within a graph.

    JPEGs and PNGs are turned upright as their EXIF data says; where that is malformed, they stay as they are. Transparent images are
    put on white.

    Args:
        encoded: string scalar, a JPEG, PNG, GIF or BMP.
        preprocessing: Keras model from uint8 [1, H, W, 3] to a square, float32 [1, S, S, 3], which does the same along both axes; None for
            none. The square is turned then, and not the image: to turn one of 12 megapixels takes twice as long as to decode it.

    Returns:
        uint8 [H, W, 3] RGB image, or the square; of an animation the first image.

    Raises:
        tf.errors.InvalidArgumentError: It can't be decoded, or is larger than `MAX_SIDE` and `MAX_PIXELS` allow, which its header tells
            before it is decoded.
    """
    tf = import_tensorflow()
    is_plain = (part(encoded, 0, len(_JPEG)) == _JPEG) & ~holds(encoded, b"Exif")
    image, lies = tf.cond(is_plain, lambda: (_decode_jpeg(encoded), UPRIGHT), lambda: _decode_others()(encoded))
    image = tf.ensure_shape(image, (None, None, 3))
    if preprocessing:
        image = preprocessing(image[None], training=False)[0]
    return tf.cond(lies == UPRIGHT, lambda: image, lambda: _turn(image, lies))


@functools.cache
def _decode_others() -> Any:
    """Returns a function that decodes what is no plain JPEG, as it lies, and tells its orientation.

    Inline its hundreds of small operations would be skipped one by one for each plain JPEG, which takes a quarter of the time that
    decoding does.
    """
    tf = import_tensorflow()

    def decode_others(encoded: Any) -> Any:
        image, exif = tf.case(
            [
                (part(encoded, 0, len(_JPEG)) == _JPEG, lambda: (_decode_jpeg(encoded), jpeg_exif(encoded))),
                (part(encoded, 0, len(_PNG)) == _PNG, lambda: (_decode_png(encoded), png_chunk(encoded, b"eXIf"))),
            ],
            default=lambda: (_decode_gif_or_bmp(encoded), ""),
        )
        return image, orientation(exif)

    signature = [tf.TensorSpec((), tf.string)]
    return tf.function(decode_others, signature, autograph=False, experimental_attributes={"_noinline": True})


def _decode_jpeg(encoded: Any) -> Any:
    tf = import_tensorflow()
    shape = tf.io.extract_jpeg_shape(encoded)
    with tf.control_dependencies([_check_size(shape[0], shape[1])]):
        return tf.io.decode_jpeg(
            encoded, channels=3, dct_method="INTEGER_ACCURATE"
        )  # the other one is several levels off


def _decode_png(encoded: Any) -> Any:
    tf = import_tensorflow()
    # Asked for the alpha of an opaque image of 1, 2 or 4 bits, TensorFlow says 1, 3 or 15.
    colour_type = part(encoded, _PNG_COLOUR_TYPE, 1)
    size = tf.strings.length(png_chunk(encoded, b"tRNS", before=b"IDAT"))
    has_colour = size == tf.where(colour_type == _GREY, _GREY_SIZE, _RGB_SIZE)
    transparent = tf.reduce_any(colour_type == _WITH_ALPHA) | has_colour
    deep = part(encoded, _PNG_BIT_DEPTH, 1) == _DEEP
    with tf.control_dependencies([_check_size(number(encoded, 20, tf.int32), number(encoded, 16, tf.int32))]):
        image = tf.case(
            [
                (deep, lambda: _decode_deep_png(encoded)),
                (colour_type == _PALETTE, lambda: tf.io.decode_png(encoded)),  # it has alpha where its palette has
                (transparent, lambda: tf.io.decode_png(encoded, channels=4)),
            ],
            default=lambda: tf.io.decode_png(encoded, channels=3),
        )
    return tf.cond(tf.shape(image)[-1] == 4, lambda: _on_white(image), lambda: image)


def _decode_deep_png(encoded: Any) -> Any:
    """Decodes a PNG of 16 bits a channel to uint8 [H, W, 4]. Colours that use all of them are known by their upper ones."""
    tf = import_tensorflow()
    image = tf.io.decode_png(encoded, channels=4, dtype=tf.uint16)
    colours, is_grey = image[..., :3], part(encoded, _PNG_COLOUR_TYPE, 1) == _GREY
    is_shallow = tf.reduce_max(tf.cast(colours, tf.int32)) <= MAX_SHALLOW
    values = tf.cond(is_grey, lambda: colours[..., :1], lambda: colours)
    shown = tf.cond(is_grey | is_shallow, lambda: levels(values), lambda: upper(values))
    shown = tf.broadcast_to(shown, tf.shape(colours))
    return tf.concat([shown, upper(image[..., 3:])], axis=-1)


def _decode_gif_or_bmp(encoded: Any) -> Any:
    """Decodes what else TensorFlow decodes: newer ones WebP as well, but neither turned nor on white."""
    tf = import_tensorflow()
    is_gif = part(encoded, 0, len(_GIF)) == _GIF
    is_bmp = (part(encoded, 0, len(_BMP)) == _BMP) & bmp.is_plain(encoded)
    with tf.control_dependencies([tf.raw_ops.Assert(condition=is_gif | is_bmp, data=[UNKNOWN])]):
        encoded = tf.identity(encoded)
    return tf.cond(is_gif, lambda: _decode_gif(encoded), lambda: _decode_bmp(encoded))


def _decode_bmp(encoded: Any) -> Any:
    """Decodes a BMP, which has as many bytes as pixels, by which it can't be too large."""
    tf = import_tensorflow()

    def with_alpha() -> Any:
        image = tf.io.decode_bmp(encoded, channels=4)
        is_seen = tf.reduce_max(tf.cast(image[..., 3:], tf.int32)) > 0  # many programs leave it at 0
        return tf.cond(is_seen, lambda: _on_white(image), lambda: image[..., :3])

    return tf.cond(bmp.has_alpha(encoded), with_alpha, lambda: tf.io.decode_image(encoded, 3, expand_animations=False))


def _decode_gif(encoded: Any) -> Any:
    tf = import_tensorflow()
    image = first_image(encoded)
    is_found = tf.raw_ops.Assert(condition=image.is_found, data=[UNKNOWN])
    with tf.control_dependencies([is_found, _check_size(image.canvas[0], image.canvas[1])]):
        return image.on_canvas(tf.io.decode_gif(image.content)[0])


def _check_size(height: Any, width: Any) -> Any:
    """Returns an operation that refuses an image by its height and width, int32 scalars."""
    tf = import_tensorflow()
    fits = (height <= MAX_SIDE) & (width <= MAX_SIDE) & (height * width <= MAX_PIXELS)
    return tf.raw_ops.Assert(condition=fits, data=[TOO_LARGE])


def _on_white(image: Any) -> Any:
    """Puts a transparent image, uint8 [H, W, 4], on white, rounded as Pillow does."""
    tf = import_tensorflow()
    colours, alpha = tf.cast(image[..., :3], tf.float32), tf.cast(image[..., 3:], tf.float32)
    return tf.cast(255 + tf.round((colours - 255) * alpha / 255), tf.uint8)


def _turn(image: Any, lies: Any) -> Any:
    """Turns an image, [H, W, 3], upright that lies as an EXIF orientation says, an int32 scalar."""
    tf = import_tensorflow()
    standing = tf.cond(lies >= 5, lambda: tf.transpose(image, (1, 0, 2)), lambda: image)
    upside_down = tf.reduce_any(lies % 4 == (3, 0))  # 3, 4, 7, 8
    mirrored = tf.reduce_any(lies % 4 == (2, 3))  # 2, 3, 6, 7
    upright = tf.cond(upside_down, lambda: tf.reverse(standing, (0,)), lambda: standing)
    return tf.cond(mirrored, lambda: tf.reverse(upright, (1,)), lambda: upright)
