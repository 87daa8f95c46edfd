"""How an image lies, by its EXIF data, read by TensorFlow's operations, so that a served graph can."""

from typing import Any

from graft.components.common.compute.images.encoded_parts import number, part
from graft.components.common.compute.tensorflow import import_tensorflow

UPRIGHT = 1
_LITTLE_ENDIAN, _BIG_ENDIAN = b"II*\0", b"MM\0*"
_ENTRY = 12
_ORIENTATION, _SHORT = 0x0112, 3


def orientation(exif: Any) -> Any:
    """Returns an orientation as an int32 scalar, 1 (upright) to 8.

    EXIF data is a TIFF structure (Exif 3.0, section 4.5). Its first directory must lie within it and say the orientation once, as one
    SHORT; otherwise the image counts as upright. Nothing else in it matters.

    Args:
        exif: string scalar, from the mark of the order of bytes on.
    """
    tf = import_tensorflow()
    order = part(exif, 0, 4)
    return tf.case(
        [
            (order == _LITTLE_ENDIAN, lambda: _in_first_directory(exif, little_endian=True)),
            (order == _BIG_ENDIAN, lambda: _in_first_directory(exif, little_endian=False)),
        ],
        default=lambda: UPRIGHT,
    )


def _in_first_directory(exif: Any, *, little_endian: bool) -> Any:
    tf = import_tensorflow()
    start, end = number(exif, 4, tf.int32, little_endian=little_endian), tf.strings.length(exif)
    start = tf.where((start >= 8) & (start < end), start, end)
    size = _ENTRY * number(exif, start, tf.uint16, little_endian=little_endian)
    entries = part(exif, start + 2, tf.where(size <= end - start - 2, size, 0))
    words = tf.reshape(tf.io.decode_raw(entries, tf.uint16, little_endian), (-1, _ENTRY // 2))
    found = tf.boolean_mask(words, words[:, 0] == _ORIENTATION)
    once = [1, 0] if little_endian else [0, 1]
    well_formed = tf.reduce_all(found[:, :4] == [_ORIENTATION, _SHORT, *once]) & (tf.shape(found)[0] == 1)
    value = tf.reduce_max(tf.cast(found[:, 4], tf.int32))
    return tf.where(well_formed & (value >= 1) & (value <= 8), value, UPRIGHT)
