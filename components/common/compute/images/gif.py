"""The first image of a GIF, by TensorFlow's operations (https://www.w3.org/Graphics/GIF/spec-gif89a.txt).

TensorFlow decodes all images of an animation, and makes the first one as large as the largest: 539 bytes can ask for gigabytes.
"""

from typing import Any, NamedTuple

from graft.components.common.compute.images.encoded_parts import part
from graft.components.common.compute.tensorflow import import_tensorflow

_HEADER = 13  # signature and logical screen
_IMAGE, _EXTENSION, _CONTROL = 0x2C, 0x21, 0xF9
_DESCRIPTOR = 10
_COLOUR = 3  # bytes of a palette's colour
_WHITE = b"\xff" * _COLOUR
_END = b"\x3b"
# A block takes as long as decoding a thousand pixels, and may hold one byte: of more of them than these the rest is left out.
_MAX_BLOCKS = 2**16
_MAX_EXTENSIONS, _MAX_EXTENSION_BLOCKS = 32, 2**11


class FirstImage(NamedTuple):
    """A GIF's first image, and where it lies.

    Attributes:
        content: string scalar, a GIF of that image alone. What is transparent is white.
        canvas: Height and width of the GIF in pixels, int32 [2].
        start: Row and column of the canvas at which the image begins, int32 [2].
        size: The image's height and width, int32 [2].
        is_found: bool scalar. Where it is false, nothing else counts.
    """

    content: Any
    canvas: Any
    start: Any
    size: Any
    is_found: Any

    def on_canvas(self, pixels: Any) -> Any:
        """Returns the image, uint8 [H, W, 3], on a white canvas."""
        tf = import_tensorflow()
        around = tf.stack([self.start, self.canvas - self.start - self.size], axis=1)
        return tf.pad(pixels, tf.concat([around, [[0, 0]]], axis=0), constant_values=255)


def first_image(encoded: Any) -> FirstImage:
    """Returns a GIF's first image.

    Args:
        encoded: string scalar. Where it is damaged, what is returned can't be decoded, or is not found.
    """
    tf = import_tensorflow()
    # What is missing behind the end counts as 0, which also ends blocks.
    values = tf.cast(tf.io.decode_raw(tf.strings.join([encoded, b"\0"]), tf.uint8), tf.int32)
    last = tf.size(values) - 1

    def byte(at: Any) -> Any:
        return tf.gather(values, tf.minimum(at, last))

    def numbers(at: Any) -> Any:
        return byte(at) + 256 * byte(at + 1)

    def palette(flags_at: Any) -> Any:
        """Returns the bytes of the palette that flags tell of."""
        flags = byte(flags_at)
        return tf.where(flags >= 128, _COLOUR * tf.bitwise.left_shift(2, flags % 8), 0)

    def end_of(start: Any, most: int) -> Any:
        """Returns where blocks of data end: each has its length before it, and one of 0 ends them."""
        start = tf.minimum(start, last)

        def following(place: Any, length: Any) -> tuple[Any, Any]:
            place = tf.minimum(place + length + 1, last)
            return place, byte(place)

        place, _ = tf.while_loop(
            lambda _, length: length > 0,
            following,
            (start, byte(start)),
            parallel_iterations=1,
            maximum_iterations=most,
        )
        return place + 1

    def following_extension(start: Any, control: Any) -> list[Any]:
        is_control = byte(start + 1) == _CONTROL
        return [end_of(start + 2, _MAX_EXTENSION_BLOCKS), tf.where(is_control, start, control)]

    front = _HEADER + palette(10)
    image, control = tf.while_loop(
        lambda start, _: byte(start) == _EXTENSION, following_extension, [front, 0], maximum_iterations=_MAX_EXTENSIONS
    )
    places = tf.constant([[3, 1], [7, 5]])
    (start, size), screen = tf.unstack(numbers(image + places)), numbers(tf.constant([8, 6]))
    own = palette(image + 9)
    end = end_of(image + _DESCRIPTOR + own + 1, _MAX_BLOCKS)
    # TensorFlow would put the image somewhere else in a canvas of its size, and make black what is transparent.
    rest = part(encoded, image + 5, end - image - 5)
    content = tf.strings.join([part(encoded, 0, front), bytes([_IMAGE, 0, 0, 0, 0]), rest, _END])
    colours, size_of_them = tf.where(own > 0, front + _DESCRIPTOR, _HEADER), tf.where(own > 0, own, front - _HEADER)
    place = _COLOUR * byte(control + 6)
    is_transparent = (control > 0) & (byte(control + 3) % 2 == 1) & (place < size_of_them)
    place += colours
    behind = part(content, place + _COLOUR, tf.strings.length(content))
    content = tf.where(is_transparent, tf.strings.join([part(content, 0, place), _WHITE, behind]), content)
    is_found = byte(image) == _IMAGE
    return FirstImage(content, tf.where(is_found, tf.maximum(screen, start + size), 0), start, size, is_found)
