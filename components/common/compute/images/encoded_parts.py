"""Parts of encoded images: the EXIF data, a chunk of a PNG. TensorFlow's operations find them, so that a served graph can.

JPEG: ITU-T T.81, annex B, and Exif 3.0, section 4.7.2. PNG: https://www.w3.org/TR/png-3/#5Chunk-layout.
"""

from typing import Any

from graft.components.common.compute.tensorflow import import_tensorflow

MAX_SEGMENTS = 2**14
"""How many segments or chunks are looked at: each takes microseconds, and an image of millions is an attack on a server."""

_APP1, _EXIF = b"\xff\xe1", b"Exif\0\0"
_AFTER_SEGMENTS = (b"\xff\xda", b"\xff\xd9")  # start of scan, end of image
_FILLING = b"\xff\xff"  # before a marker there may be any number of 0xFF
_JPEG_HEADER, _PNG_HEADER = 2, 8


def part(content: Any, start: Any, size: Any) -> Any:
    """Returns a part of a string, shorter or empty where the string ends before."""
    tf = import_tensorflow()
    return tf.strings.substr(content, tf.minimum(start, tf.strings.length(content)), size)


def number(content: Any, start: Any, dtype: Any, *, little_endian: bool = False) -> Any:
    """Returns a number in a string, `dtype` being uint16 or int32, as an int32; what lies behind the string's end is 0."""
    tf = import_tensorflow()
    encoded = part(content, start, dtype.size)
    return tf.cast(tf.reshape(tf.io.decode_raw(encoded, dtype, little_endian, fixed_length=dtype.size), ()), tf.int32)


def jpeg_exif(encoded: Any) -> Any:
    """Returns the TIFF structure in a JPEG's first EXIF segment, a string scalar; empty if there is none before the scan."""
    tf = import_tensorflow()

    def size(start: Any) -> Any:
        return number(encoded, start + 2, tf.uint16)

    def is_exif(start: Any) -> Any:
        frame = (part(encoded, start, 2) == _APP1) & (size(start) >= 2 + len(_EXIF))
        return frame & (part(encoded, start + 4, len(_EXIF)) == _EXIF)

    def goes_on(start: Any) -> Any:
        marker = part(encoded, start, 2)
        is_segment = (part(marker, 0, 1) == b"\xff") & tf.reduce_all(marker != _AFTER_SEGMENTS) & (size(start) >= 2)
        return (marker == _FILLING) | is_segment & ~is_exif(start)

    def following(start: Any) -> list[Any]:
        return [tf.where(part(encoded, start, 2) == _FILLING, start + 1, start + 2 + size(start))]

    (start,) = tf.while_loop(goes_on, following, [_JPEG_HEADER], maximum_iterations=MAX_SEGMENTS)
    return tf.where(is_exif(start), part(encoded, start + 4 + len(_EXIF), size(start) - 2 - len(_EXIF)), b"")


def png_chunk(encoded: Any, name: bytes, before: bytes = b"IEND") -> Any:
    """Returns the data of a PNG's first chunk of a name, a string scalar; empty if there is none.

    Args:
        encoded: string scalar.
        name: The chunk's name.
        before: Name of the chunk at which to stop.
    """
    tf = import_tensorflow()

    def size(start: Any) -> Any:
        return number(encoded, start, tf.int32)

    def goes_on(start: Any) -> Any:
        found = part(encoded, start + 4, 4)
        left = tf.strings.length(encoded) - start
        return (found != name) & (found != before) & (size(start) >= 0) & (size(start) < left)

    def found() -> Any:
        (start,) = tf.while_loop(
            goes_on, lambda start: [start + 12 + size(start)], [_PNG_HEADER], maximum_iterations=MAX_SEGMENTS
        )
        return tf.where(part(encoded, start + 4, 4) == name, part(encoded, start + 8, size(start)), b"")

    return tf.cond(holds(encoded, name), found, lambda: "")


def holds(encoded: Any, text: bytes) -> Any:
    """Tells whether an image holds a text anywhere, which takes a nanosecond a byte."""
    tf = import_tensorflow()
    return tf.strings.regex_full_match(encoded, rb"\C*" + text + rb"\C*")
