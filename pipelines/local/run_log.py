"""log.txt of a run: all that kfp, TensorFlow and the steps print, as it comes."""

import collections
import io
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

from graft.components.common import storage
from graft.components.common.errors import GraftError
from graft.components.common.escaping import escaped
from graft.components.common.progress_lines import Began, Doing, Ended, Told, find
from graft.pipelines.console.board import Board

FILE = "log.txt"
_LAST_LINES = 15
# kfp's own lines: they have colours, and begin with the time, while it indents what a step prints.
_COLOURS = re.compile(r"\x1b\[[0-9;]*m")
_KFP = re.compile(r"\d\d:\d\d:\d\d\.\d{3} - [A-Z]+ - (?:Executing task '(?P<begins>[\w-]+)'|(?P<ends>Task '))?")


class RunLog(io.TextIOBase):
    """A stdout that writes whole lines to log.txt, without secrets and escaped, and hands on what steps tell between them.

    A full disk loses lines of the log and nothing else: `trouble` then says why.

    Attributes:
        path: The file.
        last_lines: What each step printed last, without what kfp's executor printed before its beginning.
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
        self._rest = self._doing = self._step = ""
        self._file = self.path.open("wb", buffering=0)

    def writable(self) -> bool:
        """Returns true."""
        return True

    def write(self, text: str) -> int:
        """Takes any part of a line, or several lines."""
        *lines, self._rest = re.split("\r\n|\r|\n", self._rest + text)
        for line in lines:
            self._line(line)
        return len(text)

    def close(self) -> None:
        """Writes the last line, if it has no end, and closes the file."""
        if not self.closed:
            if self._rest:
                self.write("\n")
            self._file.close()
        super().close()

    def _line(self, line: str) -> None:
        printed, told = find(line)
        if told is not None:
            self._note(told)
        if told is None or printed.strip():
            self._keep(printed)

    def _note(self, told: Told) -> None:
        match told:
            case Began(step):
                self._begin(step)
            case Doing(what, _, total, unit) if what and what != self._doing:
                self._doing = what
                self._keep(f"{self._step}: {what}" + (f", {total:,} {unit}" if total else ""))
            case Ended():
                self._doing = ""
        self._board.take(told)

    def _begin(self, step: str) -> None:
        self._step, self._doing = step, ""
        if step:
            self.last_lines[step] = collections.deque(maxlen=_LAST_LINES)

    def _keep(self, line: str) -> None:
        shown = escaped(storage.without_secrets(_COLOURS.sub("", line).expandtabs()))
        if found := _KFP.match(shown):
            if found["begins"] or found["ends"]:
                self._begin(found["begins"] or "")
                self._board.start(self._step)
        elif shown.strip() and self._step:
            self.last_lines[self._step].append(shown.removeprefix("    "))
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
    begun = ""
    try:
        with (folder / FILE).open(encoding="utf-8", errors="replace") as file:
            for line in file:
                found = _KFP.match(line)
                begun = (found and found["begins"]) or begun
                if not step or begun == step:
                    yield line.rstrip("\n")
                if found and found["ends"]:
                    begun = ""
    except OSError as error:
        raise GraftError(
            f"{folder / FILE} can't be read ({error.strerror}): name a run of this machine, or the --target of one on a cluster."
        ) from error
