"""How a process ends that is told to by SIGTERM, Ctrl-C or the closing of its terminal: within seconds, whatever it is doing.

Python handles a signal in the main thread, between two instructions. A pass of the backbone keeps it from that, and a pool waits for
threads that wait for a slow server. So a thread learns of the signal too, and ends the process where the main thread doesn't.
"""

import atexit
import contextlib
import logging
import os
import select
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from types import FrameType

log = logging.getLogger("graft")

INTERRUPTED = 130
"""The exit code of a process that was told to end."""

told = threading.Event()
"""Set once this process has been told to end. Nothing is tried again then."""

done = threading.Event()
"""Set once the work of this process is on record as done: it is not interrupted any more, and ends by itself, as it would have."""

_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)  # the last says that the terminal was closed
# Kubernetes and Docker kill after 30 and 10 seconds. Until here the main thread ends by itself, interrupted once more half way.
_GRACE = 4.0
_LAST = 4.0
_AT_MOST = 9
_undoings: dict[object, Callable[[], object]] = {}


@contextlib.contextmanager
def undone(undo: Callable[[], object]) -> Iterator[None]:
    """Has something undone, the last first, if the process must end before the context's own tidying is done.

    Args:
        undo: May be called from another thread, while the context's own is busy, and again when there is nothing left to undo.
    """
    key = object()
    _undoings[key] = undo
    try:
        yield
    finally:
        if not told.is_set():
            del _undoings[key]


@contextlib.contextmanager
def in_time(output: int | None = None, say: Callable[[], object] = lambda: None) -> Iterator[None]:
    """Ends this process within 10 s of SIGTERM, Ctrl-C or SIGHUP: by a KeyboardInterrupt in the main thread, or by force.

    The process then doesn't leave the context. Outside of the main thread, which alone handles signals, it does nothing. A signal that
    whoever started the process has it ignore stays ignored.

    Args:
        output: A file descriptor: that nobody is left to read it counts as SIGTERM.
        say: Tells the user, once, that the process was told to end before it was done, however it ends; not called on SystemExit with a
            number, by which whoever raises it has told the user. May be called from another thread.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: handler for number in _SIGNALS if (handler := signal.getsignal(number)) is not signal.SIG_IGN}
    done.clear()
    watch = _Watch(frozenset(before), output, say)
    woken_before = signal.set_wakeup_fd(watch.waker.fileno(), warn_on_full_buffer=False)
    for number in before:
        signal.signal(number, watch.interrupt)
    try:
        yield
    except BaseException as error:
        # Where all was done, the interrupt was lost, and the record says so.
        if watch.interrupted and not done.is_set():
            if isinstance(error, SystemExit) and not isinstance(error.code, str):
                watch.to_say.clear()
            watch.leave()
        raise
    finally:
        watch.left = True
        for number, handler in before.items():
            signal.signal(number, handler)
        signal.set_wakeup_fd(woken_before)
        watch.waker.close()


class _Watch:
    """The thread that ends the process where the main thread doesn't."""

    def __init__(self, signals: frozenset[int], output: int | None, say: Callable[[], object]) -> None:
        self.interrupted = self.left = self._leaving = False
        self.to_say = [say]
        # A socket that is written to at once when a signal comes, also while the main thread is in C++ code.
        self._woken, self.waker = socket.socketpair()
        self.waker.setblocking(False)
        self._signals, self._output = signals, output
        threading.Thread(target=self._run, daemon=True).start()

    def interrupt(self, signum: int, frame: FrameType | None) -> None:
        """Interrupts the main thread, but not its tidying, however often it is told to end."""
        if not (self.interrupted or self._leaving or done.is_set()):
            self.interrupted = True
            raise KeyboardInterrupt

    def _run(self) -> None:
        """Waits for a signal, for the output to lose its reader, or for the end of the context."""
        poll = select.poll()
        poll.register(self._woken, select.POLLIN)
        if self._output is not None:
            poll.register(self._output, 0)
        with self._woken:
            while True:
                for ready, _ in poll.poll():
                    if ready == self._output:
                        poll.unregister(ready)
                        os.kill(os.getpid(), signal.SIGTERM)
                    elif not (received := self._woken.recv(64)):
                        return
                    elif self._signals.intersection(received):
                        self._end()

    def _end(self) -> None:
        """Waits for the main thread to end the process, and does it in its place if that takes too long."""
        signal.alarm(_AT_MOST)  # which the kernel sees to, even if C++ code never lets this thread run again
        told.set()
        time.sleep(_GRACE / 2)
        if (
            not self.left
        ):  # it waits for other threads, or the first interrupt was raised where Python ignores it, as in a destructor
            self.interrupted = False
            signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGTERM)
        time.sleep(_GRACE / 2)
        leaving = threading.Thread(target=self.leave, daemon=True)
        leaving.start()
        leaving.join(_LAST)
        os._exit(INTERRUPTED)

    def leave(self) -> None:
        """Ends the process here and now: Python itself would wait for its threads, and let C++ code crash that is still running."""
        self._leaving = True
        for undo in reversed(list(_undoings.values())):
            try:
                undo()
            except Exception:  # the others are undone all the same
                log.exception("something could not be undone")
        if not done.is_set():
            with contextlib.suppress(IndexError, OSError):  # it was said, or nobody is left to read it
                self.to_say.pop()()
        atexit._run_exitfuncs()  # TensorFlow removes its temporary files there
        for stream in filter(None, (sys.stdout, sys.stderr)):  # a process may be given none
            stream.flush()
        os._exit(INTERRUPTED)
