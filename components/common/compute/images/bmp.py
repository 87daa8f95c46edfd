"""What a BMP's header says of its pixels, by TensorFlow's operations (https://learn.microsoft.com/windows/win32/gdi/bitmap-header-types)."""

from typing import Any

from graft.components.common.compute.images.encoded_parts import number, part
from graft.components.common.compute.tensorflow import import_tensorflow

_HEADER_SIZE, _BITS, _COMPRESSION, _MASKS, _ALPHA_MASK = 14, 28, 30, 54, 66  # where they stand
_BIT_FIELDS = 3
_BLUE_GREEN_RED = b"\0\0\xff\0" + b"\0\xff\0\0" + b"\xff\0\0\0"  # masks of red, green and blue
_LAST_BYTE = b"\0\0\0\xff"
_WITH_ALPHA_MASK = 56  # bytes that a header has at least


def is_plain(encoded: Any) -> Any:
    """Tells whether pixels are blue, green, red and perhaps alpha, as TensorFlow takes them to be; places in a palette are not."""
    tf = import_tensorflow()
    bits = number(encoded, _BITS, tf.uint16, little_endian=True)
    has_plain_fields = _has_fields(encoded) & (part(encoded, _MASKS, len(_BLUE_GREEN_RED)) == _BLUE_GREEN_RED)
    return (bits >= 24) & ((_number(encoded, _COMPRESSION) == 0) | has_plain_fields)


def has_alpha(encoded: Any) -> Any:
    """Tells whether the fourth byte of a pixel is its alpha; in most BMPs it is nothing."""
    has_mask = _has_fields(encoded) & (_number(encoded, _HEADER_SIZE) >= _WITH_ALPHA_MASK)
    return has_mask & (part(encoded, _ALPHA_MASK, len(_LAST_BYTE)) == _LAST_BYTE)


def _has_fields(encoded: Any) -> Any:
    return _number(encoded, _COMPRESSION) == _BIT_FIELDS


def _number(encoded: Any, at: int) -> Any:
    return number(encoded, at, import_tensorflow().int32, little_endian=True)
