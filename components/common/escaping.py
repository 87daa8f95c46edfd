"""Text of others, such as the names of their files, as people may be shown it: it steers no terminal and forges no line of a log."""

import logging
import re

# Control characters, C1's among them, line separators, and what turns the direction of writing.
_STEERING = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")


def escaped(text: str) -> str:
    r"""Returns text with characters that steer a terminal as JSON escapes them.

    >>> escaped("cat\x1b[2J.jpg")
    'cat\\u001b[2J.jpg'
    """
    return _STEERING.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def escape_record(record: logging.LogRecord) -> bool:
    """A filter of loggers that lets every record through, escaped."""
    record.msg, record.args = escaped(record.getMessage()), None
    return True
