"""Stands in for Python where a step is started: has the step host fork it, and ends as it ends.

Python runs this file by itself, without site-packages, in a few hundredths of a second: `python -I -S stand_in.py FOLDER -m MODULE …`,
FOLDER being the step host's. Where the host doesn't answer, the step runs in a Python of its own, as it would without a host.
"""

import contextlib
import os
import signal
import socket
import sys
from types import FrameType

_FORWARDED = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


def main() -> None:
    """Runs what the command line says."""
    folder, *arguments = sys.argv[1:]
    signal.pthread_sigmask(signal.SIG_BLOCK, _FORWARDED)  # until there is a step to pass them on to
    with socket.socket(socket.AF_UNIX) as connection:
        try:
            _ask(connection, folder, arguments)
            child = int.from_bytes(_receive(connection))
        except OSError as error:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, _FORWARDED)
            reason = f"the process that steps are forked from is gone ({error})"
            print(f"WARNING {reason}: this one starts by itself.", file=sys.stderr, flush=True)  # noqa: T201
            os.execv(sys.executable, [sys.executable, *arguments])  # noqa: S606 (there is no untrusted input)
        _forward(connection)
        try:
            status = int.from_bytes(_receive(connection))
        except OSError:
            with contextlib.suppress(ProcessLookupError):
                os.kill(child, signal.SIGKILL)
            sys.exit("ERROR the process that steps are forked from was killed, and with it this step.")
    if os.WIFSIGNALED(status):
        number = os.WTERMSIG(status)
        if signal.getsignal(number) is not signal.SIG_DFL:  # which SIGKILL always is, and it can't be set
            signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)
    os._exit(os.waitstatus_to_exitcode(status))


def _ask(connection: socket.socket, folder: str, arguments: list[str]) -> None:
    """Hands over the command line, the environment, the folder that this process is in, and its standard streams."""
    here = os.open(".", os.O_RDONLY)
    os.chdir(folder)  # a socket's path may have 108 bytes, and the folder's may have more
    connection.connect(arguments[arguments.index("--function_to_execute") + 1])
    environment = [name + b"=" + value for name, value in os.environb.items()]
    os.fchdir(here)
    request = b"\0".join([str(len(arguments)).encode(), *map(os.fsencode, arguments), *environment])
    socket.send_fds(connection, [len(request).to_bytes(8)], [here, 0, 1, 2])
    connection.sendall(request)


def _receive(connection: socket.socket) -> bytes:
    """Returns the eight bytes of a number.

    Raises:
        OSError: The other side is gone.
    """
    received = connection.recv(8, socket.MSG_WAITALL)
    if len(received) < 8:
        raise ConnectionResetError("it gave no answer")
    return received


def _forward(connection: socket.socket) -> None:
    """Has signals to this process go to the step."""

    def forward(number: int, frame: FrameType | None) -> None:
        with contextlib.suppress(OSError):  # of a host that is gone, which the next answer tells
            connection.send(bytes([number]))

    for number in _FORWARDED:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, forward)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _FORWARDED)


if __name__ == "__main__":
    main()
