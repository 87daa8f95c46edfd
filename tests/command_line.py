"""The `graft` command, in this process."""

import contextlib
import io
import signal
import subprocess
import sys

import pytest

from graft.pipelines.cli import app as line


def graft(*arguments, cwd="."):
    """Runs the command line as the script `graft` does, but in this process, which has imported most of it."""
    words, out, err, code = ["graft", *map(str, arguments)], io.StringIO(), io.StringIO(), 0
    on_sigterm = signal.getsignal(signal.SIGTERM)
    with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        patch.setattr(sys, "argv", words)
        patch.chdir(cwd)
        try:
            line.main()
        except SystemExit as ended:
            code = ended.code or 0
    signal.signal(signal.SIGTERM, on_sigterm)
    return subprocess.CompletedProcess(words, code, out.getvalue(), err.getvalue())
