"""log.txt of a run: all that kfp, TensorFlow and the steps print, as it comes."""

import collections
import dataclasses
import io
import re
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

from graft.components.common import storage
from graft.components.common.ending import told as told_to_end
from graft.components.common.errors import GraftError
from graft.components.common.escaping import escaped
from graft.components.common.progress_lines import Began, Doing, Ended, Told, Warned, find
from graft.components.common.steps import step_of
from graft.pipelines.console.board import Board

FILE = "log.txt"
_LAST_LINES = 15
# kfp's own lines: they have colours, and begin with the time, while it indents what a step prints.
_COLOURS = re.compile(r"\x1b\[[0-9;]*m")
_KFP = re.compile(
    r"\d\d:\d\d:\d\d\.\d{3} - [A-Z]+ - "
    r"(?:Executing task '(?P<begins>[\w-]+)'|(?P<ends>Task '[\w-]+' finished(?: with status (?P<status>\w+))?))?"
)


def _no_lines() -> collections.deque[str]:
    return collections.deque(maxlen=_LAST_LINES)


@dataclasses.dataclass
class _Printer:
    """A thread that prints: kfp has one for each of the tasks that run side by side.

    Attributes:
        rest: The beginning of a line of which the end has still to come.
        step: The step that its task works for; empty between tasks.
        doing: What that last told to be doing.
        lines: What its task printed last.
    """

    rest: str = ""
    step: str = ""
    doing: str = ""
    lines: collections.deque[str] = dataclasses.field(default_factory=_no_lines)


class RunLog(io.TextIOBase):
    """A stdout that writes whole lines to log.txt, without secrets and escaped, and hands on what steps tell between them.

    A full disk loses lines of the log and nothing else: `trouble` then says why.

    Attributes:
        path: The file.
        last_lines: What each step printed last, without what kfp's executor printed before its beginning; of the tasks that work for
            a step that which failed, else that which began last.
        trouble: Why the log isn't complete; empty if it is.

    Args:
        folder: The run's folder.
        board: Is given what steps tell.
        echo: A stream that gets every line, too.
    """

    def __init__(self, folder: Path, board: Board, echo: TextIO | None = None) -> None:
        super().__init__()
        self.path, self.trouble = folder / FILE, ""
        self.last_lines: dict[str, collections.deque[str]] = {}
        self._board, self._echo = board, echo
        self._printers: dict[int, _Printer] = {}
        self._failed: set[str] = set()
        self._lock = threading.RLock()
        self._file = self.path.open("wb", buffering=0)

    def writable(self) -> bool:
        """Returns true."""
        return True

    def write(self, text: str) -> int:
        """Takes any part of a line, or several lines, of the thread that it is called in; nothing once it is closed."""
        with self._lock:
            if self.closed:  # a run that was told to end doesn't wait for kfp's threads
                return len(text)
            printer = self._printers.setdefault(threading.get_ident(), _Printer())
            *lines, printer.rest = re.split("\r\n|\r|\n", printer.rest + text)
            for line in lines:
                self._line(printer, line)
        return len(text)

    def flush(self) -> None:
        """Does nothing, as each line is written at once: kfp's threads may still log when it is closed."""

    def close(self) -> None:
        """Writes the last lines, if they have no end, and closes the file."""
        with self._lock:
            if not self.closed:
                for printer in self._printers.values():
                    if printer.rest:
                        self._line(printer, printer.rest)
                self._file.close()
            super().close()

    def _line(self, printer: _Printer, line: str) -> None:
        printed, told = find(line)
        if told is not None:
            self._note(printer, told)
        if told is None or printed.strip():
            self._keep(printer, printed)

    def _note(self, printer: _Printer, told: Told) -> None:
        match told:
            case Began(step):
                self._begin(printer, step)
            case Doing(what, _, total, unit) if what and what != printer.doing:
                printer.doing = what
                self._keep(printer, f"{printer.step}: {what}" + (f", {total:,} {unit}" if total else ""))
            case Ended():
                printer.doing = ""
            case Warned(text):
                self._board.warn(printer.step, text)
        self._board.take(told)

    def _begin(self, printer: _Printer, step: str) -> None:
        printer.step, printer.doing, printer.lines = step, "", _no_lines()
        if step and step not in self._failed:
            self.last_lines[step] = printer.lines

    def _keep(self, printer: _Printer, line: str) -> None:
        shown = escaped(storage.without_secrets(_COLOURS.sub("", line).expandtabs()))
        if found := _KFP.match(shown):
            if found["begins"]:
                if told_to_end.is_set():
                    raise KeyboardInterrupt  # else kfp would begin all tasks of a loop before it ends
                self._begin(printer, step_of(found["begins"]))
                self._board.start(printer.step)
            elif found["ends"]:
                if found["status"] == "FAILURE" and printer.step:
                    self._failed.add(printer.step)
                    self.last_lines[printer.step] = printer.lines
                self._begin(printer, "")
        elif shown.strip() and printer.step:
            printer.lines.append(shown.removeprefix("    "))
        try:
            self._file.write(f"{shown}\n".encode(errors="backslashreplace"))
        except OSError as error:
            self.trouble = f"{error.strerror}: {self.path} isn't complete"
        if self._echo:
            self._echo.write(f"{shown}\n")


def read_log(folder: Path, step: str = "") -> Iterator[str]:
    """Yields the lines of a run's log.txt.

    Args:
        folder: The run's folder.
        step: A step, of which alone the lines are; empty for all.

    Raises:
        GraftError: There is no log.txt, or it can't be read.
    """
    begun, going = "", 0  # several tasks may work for a step at once
    try:
        with (folder / FILE).open(encoding="utf-8", errors="replace") as file:
            for line in file:
                found = _KFP.match(line)
                if found and found["begins"]:
                    before, begun = begun, step_of(found["begins"])
                    going = going + 1 if begun == before else 1
                if not step or begun == step:
                    yield line.rstrip("\n")
                if found and found["ends"]:
                    going -= 1
                    begun = begun if going > 0 else ""
    except OSError as error:
        raise GraftError(
            f"{folder / FILE} can't be read ({error.strerror}): name a run of this machine, or the --target of one on a cluster."
        ) from error
