"""Shows a run on stderr until it is over: a line a step that moves on a terminal, else a line when a step begins, ends, or takes long."""

import contextlib
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Protocol, TextIO

from rich.cells import cell_len
from rich.console import Console, Group
from rich.control import Control
from rich.live import Live
from rich.segment import ControlType

from graft.components.common.ending import undone
from graft.components.common.steps import Step
from graft.pipelines.console.board import Board, Row, State
from graft.pipelines.console.lines import board_lines, duration, speed_of

SECONDS_BETWEEN_LINES = 30.0
_SECONDS_BETWEEN_FRAMES = 0.25


class View(Protocol):
    """Shows a board."""

    def look(self) -> None:
        """Shows what has changed."""

    def say(self, line: str) -> None:
        """Shows a line that is about no step."""


@contextlib.contextmanager
def shown(board: Board, *, plain: bool = False) -> Iterator[View]:
    """Shows a board on stderr for as long as the context lasts.

    Args:
        board: The board.
        plain: Print lines also on a terminal.

    Yields:
        What shows it.
    """
    # This stderr, also where another one is put in its place meanwhile.
    console = Console(file=sys.stderr, highlight=False, markup=False, emoji=False)
    with contextlib.ExitStack() as stack:
        view: View
        if plain or not (
            sys.stderr.isatty() and console.is_interactive
        ):  # the latter also says that it is no dumb terminal
            view = PlainView(board, sys.stderr)
        else:
            view = LiveView(board, console)
            # A process that is ended by force leaves the context without its end.
            stack.enter_context(undone(lambda: console.show_cursor(True)))
            stack.enter_context(view.live)
        over = threading.Event()

        def look() -> None:
            for line in board.unsaid():
                view.say(line)
            view.look()

        def look_on() -> None:
            while not over.wait(_SECONDS_BETWEEN_FRAMES):
                look()

        looking = threading.Thread(target=look_on, daemon=True)
        looking.start()
        try:
            yield view
        finally:
            over.set()
            looking.join()
            look()


class LiveView:
    """The board on a terminal, drawn over itself.

    Attributes:
        live: What draws it, to be entered; it leaves nothing behind.
    """

    def __init__(self, board: Board, console: Console) -> None:
        self._board, self._console = board, console
        self._widths: Sequence[int] = ()
        self._columns = console.width
        self.live = Live(
            console=console,
            get_renderable=self._draw,
            auto_refresh=False,
            transient=True,
            redirect_stdout=False,
            redirect_stderr=False,
        )

    def look(self) -> None:
        """Draws the board as it is now."""
        if (columns := self._console.width) < self._columns:
            # The terminal has folded lines that were as wide as it was; rich goes up by as many as it wrote.
            folded = sum((width - 1) // columns for width in self._widths if width)
            up = ((ControlType.ERASE_IN_LINE, 2), (ControlType.CURSOR_UP, 1))
            self._console.control(Control(*up * folded))
        self._columns = columns
        self.live.refresh()

    def say(self, line: str) -> None:
        """Shows a line above the board."""
        self._console.print(line, soft_wrap=True)

    def _draw(self) -> Group:
        lines = board_lines(self._board, self._console.options, colours=self._console.color_system is not None)
        self._widths = [cell_len(line.plain) for line in lines]
        return Group(*lines)


class PlainView:
    """The board as lines: one when a step begins, one when it ends, one every 30 seconds between.

    Args:
        board: The board.
        output: Where the lines go.
        clock: Tells seconds.
    """

    def __init__(self, board: Board, output: TextIO, clock: Callable[[], float] = time.monotonic) -> None:
        self._board, self._output, self._clock = board, output, clock
        self._states: dict[Step, State] = {}
        self._said = clock()

    def look(self) -> None:
        """Prints what there is to say."""
        for step, row in self._board.rows().items():
            before, self._states[step] = self._states.get(step, State.WAITING), row.state
            if row.state in (State.WAITING, State.SKIPPED):
                continue
            if before is State.WAITING:
                self.say(f"{step}: running")
            if row.state is not State.RUNNING and row.state is not before:
                took = "" if row.seconds is None else f" in {row.seconds:.1f} s"
                self.say(f"{step}: {row.state}{took}" + (f": {row.summary}" if row.summary else ""))
            elif row.state is State.RUNNING and self._clock() - self._said >= SECONDS_BETWEEN_LINES:
                self.say(f"{step}: {_still(row)}")

    def say(self, line: str) -> None:
        """Prints a line."""
        self._said = self._clock()
        self._output.write(line + "\n")
        self._output.flush()


def _still(row: Row) -> str:
    doing = row.doing
    counts = f"{doing.done:,} of {doing.total:,} {doing.unit}" if doing.total else ""
    return ", ".join(filter(None, [f"running for {duration(row.seconds or 0)}", doing.what, counts, speed_of(row)]))
