"""Lengths of time as people write them: 90s, 30m, 6h, 7d."""

import re

MINUTE, HOUR, DAY, WEEK = 60, 3600, 86_400, 604_800
LONGEST = 2**31 - 1  # what Kubernetes takes
_SECONDS = {"w": WEEK, "d": DAY, "h": HOUR, "m": MINUTE, "s": 1}


def parse_duration(text: str) -> int:
    """Returns the seconds of a length of time.

    Args:
        text: A whole number and a unit: s, m, h, d or w, such as 90s or 6h.

    Raises:
        ValueError: It is written otherwise, is zero, or longer than backends can count.
    """
    match = re.fullmatch(r"([1-9][0-9]{0,6})([smhdw])", text.strip())
    if not match:
        raise ValueError(f"{text!r} is not a duration: write a whole number and s, m, h, d or w, such as 90s or 6h")
    if (seconds := int(match[1]) * _SECONDS[match[2]]) > LONGEST:
        raise ValueError(f"{text!r} is too long: write {LONGEST // WEEK}w at most")
    return seconds


def length(seconds: int) -> str:
    """Returns a length of time as people write it."""
    unit, size = next((unit, size) for unit, size in _SECONDS.items() if seconds % size == 0)
    return f"{seconds // size}{unit}"


def in_words(seconds: int) -> str:
    """Returns an interval as `--every` takes it, with "every" in front."""
    return f"every {length(seconds)}"
