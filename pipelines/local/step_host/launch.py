"""Starting the step host with a run, and ending it with the run."""

import contextlib
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from graft.components.common.errors import GraftError

_STAND_IN = Path(__file__).with_name("stand_in.py")


@contextlib.contextmanager
def step_host() -> Iterator["StepHost"]:
    """Starts a step host, which ends with the context or with this process, and the steps with it.

    Yields:
        The host, which is importing what the steps need.
    """
    command = [sys.executable, "-P", "-m", "graft.pipelines.local.step_host.host"]
    # So kfp leaves out what only its compiler needs; its command for a step sets it, too.
    environment = os.environ | {"_KFP_RUNTIME": "true"}
    with (
        tempfile.TemporaryFile() as output,
        subprocess.Popen(  # noqa: S603 (there is no untrusted input)
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=output, env=environment
        ) as process,
    ):
        yield StepHost(process, output)


class StepHost:
    """A step host that was started."""

    def __init__(self, process: subprocess.Popen[bytes], output: IO[bytes]) -> None:
        """Takes the host's process, and the file that it writes its messages to."""
        self._process, self._output = process, output

    @contextlib.contextmanager
    def forks_steps(self) -> Iterator[None]:
        """Has kfp's local runner start a stand-in where it starts Python; prints at the end what the host said.

        The runner has no option for it. It puts `sys.executable` into the text of a shell command, where a command with arguments fits as
        well.

        Raises:
            GraftError: The host didn't start.
        """
        folder = os.fsdecode(self._process.stdout.read()) if self._process.stdout else ""
        if not folder:
            raise GraftError(f"The process that steps are forked from doesn't start: {self._said().strip()}")
        python = sys.executable
        sys.executable = shlex.join([python, "-I", "-S", str(_STAND_IN), folder])
        try:
            yield
        finally:
            sys.executable = python
            shutil.rmtree(folder, ignore_errors=True)  # which a host that was killed leaves behind
            print(self._said(), end="")  # noqa: T201 (where kfp prints what the steps say)

    def _said(self) -> str:
        """Returns what the host has written so far."""
        self._output.seek(0)
        return self._output.read().decode(errors="replace")
