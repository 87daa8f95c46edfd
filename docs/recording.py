"""Records `graft run` on drawn pictures, on a terminal of 100 columns, as docs/recording.svg: `make recording`."""

import errno
import fcntl
import io
import os
import pty
import re
import struct
import subprocess
import sys
import tempfile
import termios
from pathlib import Path

from rich.console import Console
from rich.text import Text

COLUMNS, ROWS = 100, 40
HERE = Path(__file__).parent
# What the terminal is sent between two frames.
BETWEEN = re.compile(r"(?:\r|\x1b\[2K|\x1b\[1A|\x1b\[\?25[lh])+")


def main() -> None:
    """Runs the pipeline, and keeps a frame out of the middle and the end."""
    with tempfile.TemporaryDirectory() as folder:
        shown = run(folder)
        shown = re.sub(rf"{re.escape(str(Path(folder).resolve()))}/runs/[\w-]+", "runs/RUN", shown)
        shown = re.sub(r"graft-[\d-]+/", "graft-TIME/", shown)
    frames = [frame for frame in BETWEEN.split(shown.replace("\r\n", "\n")) if frame.strip()]
    moving = [frame for frame in frames if "images/s" in frame and "train" in frame]
    console = Console(record=True, width=COLUMNS, file=io.StringIO(), force_terminal=True)
    for part in ("$ make run", moving[len(moving) // 2], "", "$ make run      # a little later", frames[-1]):
        console.print(Text.from_ansi(part), soft_wrap=False)
    svg = console.export_svg(title="make run")
    # The page is to need no other host: a font that is not here is a browser's own monospaced one.
    svg = re.sub(r"@font-face \{.*?\}\s*|<!--.*?-->\s*", "", svg, flags=re.DOTALL)
    (HERE / "recording.svg").write_text(re.sub(r"[ \t]+$", "", svg, flags=re.MULTILINE))


def run(folder: str) -> str:
    """Returns what `graft run` sends to a terminal."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
    command = [Path(sys.executable).with_name("graft"), "run", *sys.argv[1:]]
    environment = os.environ | {"TERM": "xterm-256color"}
    process = subprocess.Popen(  # noqa: S603 (there is no untrusted input)
        command, cwd=folder, env=environment, stdin=theirs, stdout=theirs, stderr=theirs
    )
    os.close(theirs)
    shown = b""
    try:
        while read := os.read(ours, 65536):
            shown += read
    except OSError as error:
        if error.errno != errno.EIO:  # which is the end of a terminal in which nobody is left
            raise
    os.close(ours)
    if process.wait():
        sys.exit(shown.decode())
    return shown.decode()


if __name__ == "__main__":
    main()
