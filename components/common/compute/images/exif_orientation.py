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
    is_little = order == _LITTLE_ENDIAN
    return tf.cond(is_little | (order == _BIG_ENDIAN), lambda: _in_first_directory(exif, is_little), lambda: UPRIGHT)


def _in_first_directory(exif: Any, is_little: Any) -> Any:
    # Numbers are read both ways: a branch for each order of bytes would be hundreds of operations more to trace and to optimise.
    tf = import_tensorflow()

    def read(at: Any, dtype: Any) -> Any:
        return tf.where(is_little, number(exif, at, dtype, little_endian=True), number(exif, at, dtype))

    start, end = read(4, tf.int32), tf.strings.length(exif)
    start = tf.where((start >= 8) & (start < end), start, end)
    size = _ENTRY * read(start, tf.uint16)
    entries = part(exif, start + 2, tf.where(size <= end - start - 2, size, 0))
    words = tf.where(is_little, *(tf.io.decode_raw(entries, tf.uint16, little) for little in (True, False)))
    words = tf.reshape(words, (-1, _ENTRY // 2))
    found = tf.boolean_mask(words, words[:, 0] == _ORIENTATION)
    one_short = tf.where(is_little, *(tf.constant([_ORIENTATION, _SHORT, *one], tf.uint16) for one in ((1, 0), (0, 1))))
    well_formed = tf.reduce_all(found[:, :4] == one_short) & (tf.shape(found)[0] == 1)
    value = tf.reduce_max(tf.cast(found[:, 4], tf.int32))
    return tf.where(well_formed & (value >= 1) & (value <= 8), value, UPRIGHT)
