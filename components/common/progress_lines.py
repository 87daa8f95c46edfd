"""What a step tells whoever watches it: lines of JSON among those that it prints.

Each begins with a record separator, as in RFC 7464. Log lines have none, since they are escaped.
"""

import contextlib
import dataclasses
import json
import logging
import os
from collections.abc import Iterator

SWITCH = "GRAFT_PROGRESS_LINES"
"""The environment variable that asks a step for such lines. Nobody sets it on a cluster, where they would only fill logs."""

SEPARATOR = "\x1e"
_MOST_LETTERS = 500
_MOST_UNITS = 2**53  # who reads it draws and divides
_asked: list[int] = []  # of the process, as where it logs is


@dataclasses.dataclass(frozen=True)
class Began:
    """A step began.

    Attributes:
        step: Its name.
    """

    step: str


@dataclasses.dataclass(frozen=True)
class Doing:
    """What a step is doing.

    Attributes:
        what: The work; empty where there is no word for it.
        done: Units done.
        total: Units that there are; 0 for work that is not counted.
        unit: What is counted, such as images.

    Raises:
        ValueError: A number is no count.
    """

    what: str
    done: int = 0
    total: int = 0
    unit: str = ""

    def __post_init__(self) -> None:
        if not (0 <= self.done <= _MOST_UNITS and 0 <= self.total <= _MOST_UNITS):
            raise ValueError("done and total are no counts")


@dataclasses.dataclass(frozen=True)
class Ended:
    """A step ended, as its record says.

    Attributes:
        step: Its name.
        status: The status of its record.
        seconds: Seconds that it took.
        summary: What came out, or why it failed.
    """

    step: str
    status: str
    seconds: float
    summary: str


@dataclasses.dataclass(frozen=True)
class Warned:
    """A step warns of something.

    Attributes:
        text: Of what.
    """

    text: str


Told = Began | Doing | Ended | Warned
_KINDS: dict[str, type[Told]] = {kind.__name__.lower(): kind for kind in (Began, Doing, Ended, Warned)}


class WarningTeller(logging.Handler):
    """Tells what a step warns of in its log."""

    def emit(self, record: logging.LogRecord) -> None:
        """Tells a warning; of an error the step's end tells."""
        if record.levelno == logging.WARNING:
            tell(Warned(record.getMessage()))


@contextlib.contextmanager
def told_if_asked(output: int | None) -> Iterator[None]:
    """Has this process tell what it does, if its environment asks for that; processes that it starts are not asked.

    Args:
        output: The file descriptor to write to, or None if there is none.
    """
    if not os.environ.pop(SWITCH, "") or output is None:
        yield
        return
    _asked.append(output)
    try:
        yield
    finally:
        _asked.clear()


def asked() -> bool:
    """Tells whether anybody reads what `tell` writes."""
    return bool(_asked)


def tell(told: Told) -> None:
    """Tells something, if anybody asked for it. That nobody reads any more is no error: the step then ends by itself."""
    for output in _asked:
        short = {name: value[:_MOST_LETTERS] if isinstance(value, str) else value for name, value in vars(told).items()}
        line = SEPARATOR + json.dumps({type(told).__name__.lower(): short}) + "\n"
        with contextlib.suppress(OSError):
            os.write(output, line.encode())


def find(line: str) -> tuple[str, Told | None]:
    """Returns a printed line without what is told in it, and that; None if it tells nothing."""
    printed, separator, text = line.partition(SEPARATOR)
    if not separator:
        return line, None
    from pydantic import TypeAdapter, ValidationError

    try:
        ((kind, fields),) = json.loads(text).items()
        return printed, TypeAdapter(_KINDS[kind]).validate_python(fields)
    except (ValueError, KeyError, AttributeError, ValidationError, RecursionError):
        return line, None
