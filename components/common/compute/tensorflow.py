"""Importing TensorFlow, quietly and in one place, since it takes seconds and only some steps need it."""

import atexit
import contextlib
import functools
import gc
import io
import logging
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any

from graft.components.common.compute.gpus import open_libraries, why_unused
from graft.components.common.compute.machine import cores
from graft.components.common.errors import GraftError
from graft.components.common.progress import doing

log = logging.getLogger("graft")

# Keras imports these if they are installed, for wrappers and galleries that Graft doesn't use. A process that needs neither, such as
# export, is spared 1.1 of 3.0 CPU seconds and 86 of 587 MiB of the import; one that draws, such as train, the 0.6 seconds of sklearn.
_NOT_FOR_KERAS = ("sklearn", "matplotlib")

# TensorFlow reads these when it first looks at the devices, and its process can still be forked until then. It knows which cores a
# process may run on, but not how much of their time a container has. And it would take a GPU's whole memory at once.
_THREADS = ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS")
_MEMORY = {"TF_FORCE_GPU_ALLOW_GROWTH": "true"}

# What TensorFlow has to say for itself, at any level of its log, before that is set up or when it first looks at the processor. It is
# C++ code that writes it; another process reads that, so that the last words of a TensorFlow that aborts are passed on.
_SIFT = r"""
import os, re
notes = re.compile(
    rb"WARNING: All log messages before absl::InitializeLog\(\)[^\n]*\n|[IW]\d{4} \d\d:\d\d:[\d.]+ +\d+ [\w.]+:\d+\] [^\n]*\n"
    rb"|E\d{4} \d\d:\d\d:[\d.]+ +\d+ [\w.]+:\d+\] oneDNN supports [^\n]*\n"
)
while said := os.read(0, 65536):
    os.write(1, notes.sub(b"", said))
"""
_STDERR = 2


@functools.cache
def import_tensorflow() -> Any:
    """Returns the tensorflow module, with its start-up notes turned off unless the environment asks for them.

    A GPU that is here but can't be used is told of, and so is that there is none where `GRAFT_EXPECTS_GPU` is set, as in the GPU image.

    Raises:
        GraftError: The GPU that is here can't be used, and one is expected, or TensorFlow would try to.
    """
    tensorflow = load_tensorflow()
    expected, gpus = os.environ.get("GRAFT_EXPECTS_GPU"), tensorflow.config.list_physical_devices("GPU")
    if unused := why_unused(tensorflow):
        if expected or gpus:
            raise GraftError(unused)
        log.warning("%s Until then all runs on the CPU.", unused)
    elif expected and not gpus:
        log.warning(
            "A GPU is expected, but there is none here: all runs on the CPU. Give it one (--gpus all), or use graft:cpu."
        )
    return tensorflow


@functools.cache
def load_tensorflow() -> Any:
    """Returns the tensorflow module as `import_tensorflow` does, without a look at the devices: the process can still be forked."""
    doing("importing TensorFlow")
    with contextlib.ExitStack() as stack:
        for name, value in {**dict.fromkeys(_THREADS, str(cores())), **_MEMORY}.items():
            os.environ.setdefault(name, value)
        if "TF_CPP_MIN_LOG_LEVEL" not in os.environ and sys.stderr:
            os.environ["TF_CPP_MIN_LOG_LEVEL"] = "2"
            # Where Python has a stderr of its own, as in the commands, C++ code may have a sifted one to the end.
            for_good = isinstance(sys.stderr, io.TextIOWrapper) and sys.stderr.fileno() != _STDERR
            (atexit.register if for_good else stack.callback)(_sift_stderr())
        stack.enter_context(_hidden(_NOT_FOR_KERAS))
        stack.enter_context(_uncollected())
        open_libraries()
        import tensorflow
    logging.getLogger("absl").setLevel(logging.WARNING)  # it has pages to say about the names in a SavedModel
    # Else GPUs round the factors of float32 products to ten bits, and what is served differs from what was evaluated.
    tensorflow.config.experimental.enable_tensor_float_32_execution(False)
    # The interpreter's last collection would go through all that TensorFlow has made, to no end: 0.9 CPU seconds after the import alone.
    atexit.register(gc.freeze)
    return tensorflow


def _sift_stderr() -> Callable[[], None]:
    """Has what is written to file descriptor 2 pass through another process, which drops notes.

    Returns:
        Undoes that, once all is written.
    """
    stderr, (sifted, said) = os.dup(_STDERR), os.pipe()
    command = [sys.executable, "-I", "-S", "-c", _SIFT]
    # In a session of its own Ctrl-C doesn't reach it.
    sieve = subprocess.Popen(command, stdin=sifted, stdout=stderr, start_new_session=True)  # noqa: S603 (our own code)
    os.dup2(said, _STDERR)
    os.close(sifted)
    os.close(said)

    def undo() -> None:
        os.dup2(stderr, _STDERR)
        os.close(stderr)
        with contextlib.suppress(subprocess.TimeoutExpired):  # a process that was started meanwhile may go on writing
            sieve.wait(timeout=1)

    return undo


@contextlib.contextmanager
def _uncollected() -> Iterator[None]:
    """Has the garbage collector leave alone what is made: it would go through TensorFlow again and again, 0.6 of 2 CPU seconds."""
    collects = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        if collects:
            gc.enable()


def as_it_is(function: Callable[..., Any]) -> Callable[..., Any]:
    """Returns a function that `tf.data` traces without AutoGraph, which first rewrites the source of all that is called.

    Graft branches and loops by `tf.cond` and `tf.while_loop`, so that the graph is the same. What decodes an image is traced in 0.7 CPU
    seconds then, and not in 1.6.
    """
    converted: Callable[..., Any] = import_tensorflow().autograph.experimental.do_not_convert(function)
    return converted


@contextlib.contextmanager
def _hidden(packages: tuple[str, ...]) -> Iterator[None]:
    """Makes packages that are not imported yet look as if they were not installed."""
    absent = [package for package in packages if package not in sys.modules]
    for package in absent:
        sys.modules[package] = None  # type: ignore[assignment]  # what the import system takes for "there is none"
    try:
        yield
    finally:
        for package in absent:
            del sys.modules[package]
