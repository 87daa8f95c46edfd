"""Tasks of kfp's local runner that run side by side, in threads of one process."""

import contextlib
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager

_Context = Callable[[], AbstractContextManager[None]]


@contextlib.contextmanager
def untangled() -> Iterator[None]:
    """Has kfp's local runner set up its log, and indent what tasks print, once for all tasks that run at the same time.

    It does both for each task by itself, for the whole process, and puts back what it found. Of two tasks the second finds what the
    first has put there, and leaves it behind.
    """
    from kfp.local import logging_utils as kfp

    before = kfp.local_logger_context, kfp.indented_print
    kfp.local_logger_context, kfp.indented_print = map(_shared, before)
    try:
        yield
    finally:
        kfp.local_logger_context, kfp.indented_print = before


def _shared(context: _Context) -> _Context:
    """Returns a context that begins with the first who enters it, and ends with the last."""
    lock, stack, inside = threading.Lock(), contextlib.ExitStack(), 0

    @contextlib.contextmanager
    def enter() -> Iterator[None]:
        nonlocal inside
        with lock:
            if not inside:
                stack.enter_context(context())
            inside += 1
        try:
            yield
        finally:
            with lock:
                inside -= 1
                if not inside:
                    stack.close()

    return enter
