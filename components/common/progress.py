"""Progress of anything that takes more than two seconds: a bar on a terminal, plain log lines elsewhere."""

import logging
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

log = logging.getLogger("graft")

_SECONDS_BETWEEN_LINES = 10.0
_QUIET_SECONDS = 2.0


@contextmanager
def progress(what: str, total: int) -> Iterator[Callable[[int], None]]:
    """Shows how far a piece of work is.

    Args:
        what: The work and its unit, such as `checking images`.
        total: How many units there are.

    Yields:
        A function to call with the number of further units done.
    """
    if sys.stderr.isatty():
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
            task = bar.add_task(what, total=total)
            yield lambda units: bar.advance(task, units)
        return
    done, start = 0, time.monotonic()
    said = start - _SECONDS_BETWEEN_LINES + _QUIET_SECONDS

    def advance(units: int) -> None:
        nonlocal done, said
        done += units
        now = time.monotonic()
        if now - said >= _SECONDS_BETWEEN_LINES:
            log.info("%s: %s of %s (%.0f%%)", what, f"{done:,}", f"{total:,}", 100 * done / max(total, 1))
            said = now

    yield advance
