"""`graft run` on a real terminal, which it leaves tidy however it ends."""

import contextlib
import fcntl
import json
import os
import pty
import re
import struct
import subprocess
import sys
import termios
import time
from pathlib import Path

import pytest

from graft.pipelines.local.sample import draw_sample

pytestmark = pytest.mark.slow

GRAFT = Path(sys.executable).with_name("graft")
HIDE, SHOW = "\x1b[?25l", "\x1b[?25h"
SGR = re.compile(r"\x1b\[[0-9;]*m")
CONTROLS = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\r")


class Terminal:
    """A terminal of 80 columns with a command in it.

    Attributes:
        shown: All that it was sent.
    """

    def __init__(self, folder, *arguments, **environment):
        self.shown = ""
        self._end, theirs = pty.openpty()
        self.resize(80)
        command = [GRAFT, "run", "--weights", "random", *map(str, arguments)]
        known = {name: value for name, value in os.environ.items() if name not in ("NO_COLOR", "FORCE_COLOR")}
        self.process = subprocess.Popen(
            command,
            cwd=folder,
            env=known | {"TERM": "xterm-256color"} | environment,
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
        )
        os.close(theirs)

    def resize(self, columns):
        fcntl.ioctl(self._end, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))

    def press(self, key):
        os.write(self._end, key)

    def wait_for(self, text):
        deadline = time.monotonic() + 120
        while text not in self.shown and time.monotonic() < deadline and self._read():
            pass
        assert text in self.shown

    def wait(self):
        while self._read():
            pass
        os.close(self._end)
        return self.process.wait(60)

    def _read(self):
        with contextlib.suppress(OSError):  # of a terminal in which nobody is left
            self.shown += (read := os.read(self._end, 65536)).decode()
            return bool(read)
        return False


def test_a_failed_run_leaves_the_terminal_tidy_and_shows_the_last_lines_of_its_step(tmp_path):
    one_class = tmp_path / "pictures"
    (one_class / "train" / "cats").mkdir(parents=True)
    (one_class / "train" / "cats" / "a.jpg").write_bytes(b"no image")
    terminal = Terminal(tmp_path, "--source", one_class, NO_COLOR="1")
    assert terminal.wait() == 1
    assert terminal.shown.rfind(SHOW) > terminal.shown.rfind(HIDE) >= 0
    assert "Traceback" not in terminal.shown
    assert not re.search(r"\x1b\[[0-9;]*(3\d|9\d)[0-9;]*m", terminal.shown), "NO_COLOR"
    after = CONTROLS.sub("", terminal.shown[terminal.shown.rfind(SHOW) :]).splitlines()
    (log,) = tmp_path.glob("runs/*/log.txt")
    header = after.index(f"The last lines of ingest (all are in {log}):")
    assert any(line.startswith("  | graft ingest: The source has only one class") for line in after[header:])
    assert after[-1].startswith("ERROR ingest: The source has only one class, cats")
    assert "executor_input" not in terminal.shown and "oneDNN" not in terminal.shown
    assert "executor_input" in log.read_text() and "The source has only one class" in log.read_text()
    content = json.loads(log.with_name("run.json").read_text())
    assert (content["dataset"], content["accuracy"], content["export"]) == (None, None, None)


def test_ctrl_c_leaves_the_terminal_tidy_though_it_was_resized(tmp_path):
    draw_sample(tmp_path / "pictures", images=60)
    terminal = Terminal(tmp_path, "--source", tmp_path / "pictures")
    terminal.wait_for("running")
    terminal.resize(40)
    terminal.wait_for("done")
    terminal.press(b"\x03")
    assert terminal.wait() == 130
    assert terminal.shown.rfind(SHOW) > terminal.shown.rfind(HIDE) >= 0
    assert terminal.shown.replace(SHOW, "").rstrip().endswith("graft: Interrupted; unfinished output was removed.")
    last = SGR.sub("", terminal.shown[terminal.shown.rindex("resolve") :].partition("\x1b[1A")[0])
    assert all(len(line) < 40 for line in last.splitlines()), last
