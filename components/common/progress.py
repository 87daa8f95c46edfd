"""Progress of anything that takes more than two seconds: told to who watches a run, a bar on a terminal, plain log lines elsewhere."""

import logging
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

from graft.components.common.ending import undone
from graft.components.common.progress_lines import Doing, asked, tell

log = logging.getLogger("graft")

_SECONDS_BETWEEN_LINES = 10.0
_SECONDS_BETWEEN_TELLINGS = 0.25
_QUIET_SECONDS = 2.0

Advance = Callable[[int], None]


def doing(what: str) -> None:
    """Tells who watches a run what a step does from here on, where that takes seconds and can't be counted."""
    tell(Doing(what))


def progress(what: str, total: int, unit: str = "images") -> AbstractContextManager[Advance]:
    """Shows how far a piece of work is.

    Args:
        what: The work, such as `checking images`.
        total: How many units there are.
        unit: What a unit is.

    Returns:
        A context with a function to call with the number of further units done.
    """
    show = _told if asked() else _bar if sys.stderr.isatty() else _logged
    return show(what, total, unit)


@contextmanager
def _told(what: str, total: int, unit: str) -> Iterator[Advance]:
    done, told = 0, 0.0

    def advance(units: int) -> None:
        nonlocal done, told
        done += units
        now = time.monotonic()
        if done >= total or now - told >= _SECONDS_BETWEEN_TELLINGS:
            told = now
            tell(Doing(what, done, total, unit))

    advance(0)
    yield advance
    tell(Doing(""))


@contextmanager
def _bar(what: str, total: int, unit: str) -> Iterator[Advance]:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn(unit),
        TimeRemainingColumn(),
    )
    console = Console(stderr=True)
    with undone(lambda: console.show_cursor(True)), Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task(what, total=total)
        yield lambda units: bar.advance(task, units)


@contextmanager
def _logged(what: str, total: int, unit: str) -> Iterator[Advance]:
    done, start = 0, time.monotonic()
    said = start - _SECONDS_BETWEEN_LINES + _QUIET_SECONDS

    def advance(units: int) -> None:
        nonlocal done, said
        done += units
        now = time.monotonic()
        if now - said >= _SECONDS_BETWEEN_LINES:
            log.info("%s: %s of %s %s (%.0f%%)", what, f"{done:,}", f"{total:,}", unit, 100 * done / max(total, 1))
            said = now

    yield advance
