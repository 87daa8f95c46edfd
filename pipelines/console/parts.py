"""The parts of a step as its progress, counted in the store: what each of them tells by itself would overwrite what another does."""

import contextlib
import logging
import threading
from collections.abc import Callable, Collection, Iterator

from graft.components.common import storage
from graft.components.common.errors import GraftError
from graft.components.common.escaping import escaped
from graft.components.common.runs.parts_progress import PartsProgress, parts_of
from graft.components.common.runs.run import Run
from graft.components.common.steps import FannedStep
from graft.pipelines.console.board import Board, State

log = logging.getLogger("graft")

_SECONDS, _SECONDS_HERE = 5.0, 1.0


class PartsShown:
    """Shows how far the parts of a step are, and says once of each that failed that it did.

    Args:
        board: Shows how far they are.
        say: Shows a line.
    """

    def __init__(self, board: Board, say: Callable[[str], None]) -> None:
        self._board, self._say = board, say
        self._told: set[tuple[str, int]] = set()

    def show(self, parts: PartsProgress) -> None:
        """Shows what has changed."""
        self._board.count(parts)
        self.warn(parts)

    def warn(self, parts: PartsProgress) -> None:
        """Says which parts failed, and have not been told of."""
        for part in parts.failed:
            if (part.step, part.number) not in self._told:
                self._told.add((part.step, part.number))
                failed = (
                    f"{part.step}: part {part.number} of {part.of} failed, so the step does its work: {part.reason}"
                )
                self._say(f"WARNING {escaped(storage.without_secrets(failed))}")


@contextlib.contextmanager
def parts_counted(board: Board, say: Callable[[str], None], run: Run, steps: Collection[FannedStep]) -> Iterator[None]:
    """Has a run's board show how far parts are, as long as the context lasts. Where the store can't be read, that is logged, once.

    Args:
        board: The board.
        say: Shows a line.
        run: The run.
        steps: The steps that have parts.
    """
    shown, left, over = PartsShown(board, say), [*steps], threading.Event()

    def look() -> None:
        rows = board.rows()
        for step in [step for step in left if rows[step].state is not State.WAITING]:
            parts = parts_of(run, step)
            if parts:
                shown.show(parts)
            if rows[step].state.final or (parts and parts.over):
                left.remove(step)

    def look_on() -> None:
        seconds = _SECONDS_HERE if storage.local_path(run.store) else _SECONDS
        try:
            while left and not over.wait(seconds):
                look()
            look()
        except GraftError as error:
            log.warning("how far the parts are can't be told: %s", error)

    looking = threading.Thread(target=look_on, daemon=True)
    looking.start()
    try:
        yield
    finally:
        over.set()
        looking.join()
