"""Where commands print: a terminal of any encoding, or a pipe whose reader may have enough."""

import codecs
import io
import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.table import Table

_WIDE = 10_000  # characters, for files and pipes
_NARROW = 10  # characters; rich breaks lines for fewer than 3 without end
_STDERR = 2
_PLAIN = {"≥": ">=", "≤": "<=", "×": "x", "–": "-", "…": "...", "·": "-"}


class _Pipe(io.FileIO):
    """A stream of which a reader such as `head` may read no more. What is written then goes nowhere, and the command goes on.

    Attributes:
        survived: The errors of which it thinks so.
    """

    survived: type[OSError] = BrokenPipeError

    def write(self, content: Any) -> int:
        try:
            return super().write(content)
        except self.survived:
            with Path(os.devnull).open("wb") as nowhere:
                os.dup2(nowhere.fileno(), self.fileno())
            return super().write(content)


class _Messages(_Pipe):
    """A stderr: also a terminal that is gone, or a disk that is full, must not keep a command from its work."""

    survived = OSError


def _plainly(error: UnicodeError) -> tuple[str, int]:
    """Writes what an encoding lacks: signs of Graft's own by plainer ones, all else as JSON escapes it."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    lacking = error.object[error.start : error.end]
    return "".join(_PLAIN.get(sign) or json.dumps(sign)[1:-1] for sign in lacking), error.end


def prepare_output() -> None:
    """Makes stdout and stderr take every text, and survive a reader that has enough."""
    codecs.register_error("graft-plainly", _plainly)
    columns = os.environ.get("COLUMNS", "")
    if columns.isdecimal() and int(columns) < _NARROW:  # as some containers say of no terminal
        del os.environ["COLUMNS"]
    # Else the next files that are opened would be in the place of streams that are closed.
    while (opened := os.open(os.devnull, os.O_RDWR)) <= _STDERR:
        os.set_inheritable(opened, True)
    os.close(opened)
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, Path(os.devnull).open("w"))  # noqa: SIM115 (as long as the process lives)
        stream = getattr(sys, name)
        if isinstance(stream, io.TextIOWrapper) and stream is getattr(sys, f"__{name}__"):  # not one put in its place
            # C++ code writes to stderr's usual descriptor, where what TensorFlow says of its start can be sifted.
            descriptor = os.dup(stream.fileno()) if name == "stderr" else stream.fileno()
            kind = _Messages if name == "stderr" else _Pipe
            pipe = io.BufferedWriter(kind(descriptor, "wb", closefd=False))
            buffered = stream.line_buffering or stream.write_through or name == "stderr"
            setattr(sys, name, io.TextIOWrapper(pipe, stream.encoding, "graft-plainly", line_buffering=buffered))


def print_table(table: "Table") -> None:
    """Prints a table on stdout: a terminal folds what is too long within its column, in a file or a pipe a row is a line."""
    from rich.console import Console  # which not every command needs

    if sys.stdout.isatty():
        Console(highlight=False, markup=False).print(table)
        return
    lines = io.StringIO()
    Console(file=lines, width=_WIDE, highlight=False, markup=False).print(table)
    for line in lines.getvalue().rstrip("\n").split("\n"):
        print(line.rstrip())  # a row would be as wide as the widest
