"""Importing TensorFlow, quietly and in one place, since it takes seconds and only some steps need it."""

import atexit
import contextlib
import functools
import gc
import logging
import os
import sys
from collections.abc import Iterator
from typing import Any

log = logging.getLogger("graft")

# Keras imports these if they are installed, for wrappers and galleries that Graft doesn't use. A process that needs neither, such as
# export, is spared 1.1 of 3.0 CPU seconds and 86 of 587 MiB of the import; one that draws, such as train, the 0.6 seconds of sklearn.
_NOT_FOR_KERAS = ("sklearn", "matplotlib")


@functools.cache
def import_tensorflow() -> Any:
    """Returns the tensorflow module, with its start-up notes turned off unless the environment asks for them.

    In the GPU image (`GRAFT_EXPECTS_GPU`) it says so if there is no GPU.
    """
    tensorflow = load_tensorflow()
    if os.environ.get("GRAFT_EXPECTS_GPU") and not tensorflow.config.list_physical_devices("GPU"):
        log.warning(
            "This is the GPU image, but there is no GPU here: all runs on the CPU. Give it one (--gpus all), or use graft:cpu."
        )
    return tensorflow


@functools.cache
def load_tensorflow() -> Any:
    """Returns the tensorflow module as `import_tensorflow` does, without a look at the devices: the process can still be forked."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    with _hidden(_NOT_FOR_KERAS), _uncollected():
        import tensorflow
    logging.getLogger("absl").setLevel(logging.WARNING)  # it has pages to say about the names in a SavedModel
    # Else GPUs round the factors of float32 products to ten bits, and what is served differs from what was evaluated.
    tensorflow.config.experimental.enable_tensor_float_32_execution(False)
    # The interpreter's last collection would go through all that TensorFlow has made, to no end: 0.9 CPU seconds after the import alone.
    atexit.register(gc.freeze)
    return tensorflow


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
