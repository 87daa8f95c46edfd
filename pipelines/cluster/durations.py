"""Lengths of time as people write them: 90s, 30m, 6h, 7d."""

import re

_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}


def parse_duration(text: str) -> int:
    """Returns the seconds of a length of time.

    Args:
        text: A whole number and a unit: s, m, h, d or w, such as 90s or 6h.

    Raises:
        ValueError: It is written otherwise, or is zero.
    """
    match = re.fullmatch(r"([1-9][0-9]{0,6})([smhdw])", text.strip())
    if not match:
        raise ValueError(f"{text!r} is no length of time: write a whole number and s, m, h, d or w, such as 90s or 6h")
    return int(match[1]) * _SECONDS[match[2]]
