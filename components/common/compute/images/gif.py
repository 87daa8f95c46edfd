"""The first image of a GIF, by TensorFlow's operations (https://www.w3.org/Graphics/GIF/spec-gif89a.txt).

TensorFlow decodes all images of an animation, and makes the first one as large as the largest: 539 bytes can ask for gigabytes.
"""

from typing import Any

from graft.components.common.compute.images.encoded_parts import number, part
from graft.components.common.compute.tensorflow import import_tensorflow

_HEADER = 13  # signature and logical screen
_IMAGE, _EXTENSION = b"\x2c", b"\x21"
_DESCRIPTOR = 10
_END = b"\x3b"
# A block takes as long as decoding a thousand pixels, and may hold one byte: of more of them than these the rest is left out.
_MAX_BLOCKS = 2**16
_MAX_EXTENSIONS, _MAX_EXTENSION_BLOCKS = 32, 2**11


def first_image(encoded: Any) -> tuple[Any, Any, Any]:
    """Returns a GIF without all images but the first, and the size of that one.

    Args:
        encoded: string scalar. Where it is no GIF, or damaged, what is returned can't be decoded.

    Returns:
        string scalar; its height and width in pixels, int32 scalars.
    """
    tf = import_tensorflow()
    end_of = _ends(encoded)
    start = _HEADER + _palette(encoded, 10)

    def before_image(start: Any) -> Any:
        return part(encoded, start, 1) == _EXTENSION

    def following(start: Any) -> list[Any]:
        return [end_of(start + 2, _MAX_EXTENSION_BLOCKS)]

    (start,) = tf.while_loop(before_image, following, [start], maximum_iterations=_MAX_EXTENSIONS)
    width, height = (number(encoded, start + at, tf.uint16, little_endian=True) for at in (5, 7))
    end = end_of(start + _DESCRIPTOR + _palette(encoded, start + 9) + 1, _MAX_BLOCKS)
    is_image = part(encoded, start, 1) == _IMAGE
    return tf.where(is_image, tf.strings.join([part(encoded, 0, end), _END]), b"GIF89a"), height, width


def _palette(encoded: Any, flags_at: Any) -> Any:
    """Returns the bytes of the palette that flags tell of."""
    tf = import_tensorflow()
    flags = tf.cast(tf.io.decode_raw(part(encoded, flags_at, 1), tf.uint8, fixed_length=1)[0], tf.int32)
    return tf.where(flags >= 128, 3 * tf.bitwise.left_shift(2, flags % 8), 0)


def _ends(encoded: Any) -> Any:
    """Returns a function from where blocks of data begin, and how many there may be, to where they end.

    Each has its length before it, and one of 0 ends them.
    """
    tf = import_tensorflow()
    # With an end put to it, whatever is missing.
    lengths = tf.cast(tf.io.decode_raw(tf.strings.join([encoded, b"\0"]), tf.uint8), tf.int32)
    last = tf.size(lengths) - 1

    def following(place: Any, length: Any) -> tuple[Any, Any]:
        following = tf.minimum(place + length + 1, last)
        return following, tf.gather(lengths, following)

    def end(start: Any, most: int) -> Any:
        start = tf.minimum(start, last)
        place, _ = tf.while_loop(
            lambda _, length: length > 0,
            following,
            (start, tf.gather(lengths, start)),
            parallel_iterations=1,
            maximum_iterations=most,
        )
        return place + 1

    return end
