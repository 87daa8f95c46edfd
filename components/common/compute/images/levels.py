"""Values of 16 bits as 8, by TensorFlow's operations: the rule by which ingest stores images of more than 8 bits."""

from typing import Any

from graft.components.common.compute.tensorflow import import_tensorflow

WHITES = (255.0, 1023.0, 4095.0, 16383.0, 65535.0)
"""White of a camera's or scanner's whole numbers: files of 16 bits often hold 10, 12 or 14."""
MAX_SHALLOW = 16383
"""Values of 16 bits up to this may have fewer bits in truth."""
DARK, FLAT = 8, 16
"""Levels of 255 that an image has to reach, and to extend over. Where it doesn't, its own range is spread."""
OUTLIERS = 0.5
"""Per cent of the values at either end that are left out of that range."""


def levels(values: Any) -> Any:
    """Scales values to 0 to 255, so that they are neither black nor white throughout; the levels are those of ingest.

    Args:
        values: uint16 of any shape.

    Returns:
        uint8 of the same shape.
    """
    tf = import_tensorflow()
    whole = tf.reshape(tf.cast(values, tf.int32), [-1])
    low, high = (tf.cast(found(whole), tf.float64) for found in (tf.reduce_min, tf.reduce_max))
    whites = tf.constant(WHITES, tf.float64)
    white = tf.reduce_min(tf.boolean_mask(whites, whites >= high))
    up_to = tf.cumsum(tf.math.bincount(whole, minlength=2**16, maxlength=2**16))
    dark, bright = (_percentile(up_to, percent) for percent in (OUTLIERS, 100 - OUTLIERS))
    is_seen = (high - low >= FLAT * white / 255) & (bright >= DARK * white / 255)
    is_spread = (low != high) & ~is_seen
    black = tf.where(is_spread, tf.where(dark == bright, low, dark), 0)
    white = tf.where(is_spread, tf.where(dark == bright, high, bright), white)

    def scaled() -> Any:
        factor = tf.cast(255 / (white - black), tf.float32)
        shown = tf.round((tf.cast(values, tf.float32) - tf.cast(black, tf.float32)) * factor)
        return tf.cast(tf.clip_by_value(shown, 0, 255), tf.uint8)

    return tf.cond((black == 0) & (white == WHITES[-1]), lambda: upper(values), scaled)


def upper(values: Any) -> Any:
    """Returns the upper 8 bits of values, uint16 of any shape."""
    tf = import_tensorflow()
    return tf.cast(tf.bitwise.right_shift(values, tf.constant(8, tf.uint16)), tf.uint8)


def _percentile(up_to: Any, percent: float) -> Any:
    """Returns a percentile of whole numbers, between which it is interpolated.

    Args:
        up_to: How many of them are at most 0, 1, 2 …
        percent: Which one.
    """
    tf = import_tensorflow()
    place = percent / 100 * tf.cast(up_to[-1] - 1, tf.float64)
    before = tf.floor(place)
    found = tf.searchsorted(up_to, tf.cast(tf.stack([before, tf.math.ceil(place)]), tf.int32), side="right")
    value, following = tf.unstack(tf.cast(found, tf.float64))
    share, step = place - before, following - value
    return tf.where(share < 0.5, value + step * share, following - step * (1 - share))  # rounded as numpy does
