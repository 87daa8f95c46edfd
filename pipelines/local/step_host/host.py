"""The step host: `python -m graft.pipelines.local.step_host.host`, which `launch.py` starts.

It is two processes. The first has imported kfp and the steps, and forks those that need no more. The second, its child, imports
TensorFlow meanwhile and forks the others. No step waits for an import that it doesn't need. Neither process has computed anything:
TensorFlow makes its devices and threads in the steps. Both end when their stdin ends.
"""

import importlib
import logging
import os
import shutil
import signal
import socket
import sys
import tempfile

from graft.components.common.compute.tensorflow import load_tensorflow
from graft.components.common.steps import COMPONENTS, FANNED_STEPS
from graft.pipelines.local.step_host.forking import Forks

_OF_THE_GROUP = (signal.SIGHUP, signal.SIGINT, signal.SIGTERM)
_STOP = signal.SIGUSR1
_FUNCTIONS = (*COMPONENTS, *(f"{step}_{kind}" for step in FANNED_STEPS for kind in ("plan", "part")))
_WITH_TENSORFLOW = ("train_plan", "train_part", "train", "evaluate_part", "evaluate", "export")
# What the steps import. One that is forgotten here is imported by the step itself.
_IMPORTS = (
    "kfp.dsl.executor",
    "graft.components.common.runs.step_record",
    "graft.components.resolve.resolve",
    "graft.components.ingest.ingest",
    "graft.components.ingest.parts.plan",
    "graft.components.ingest.parts.part",
    "graft.components.evaluate.parts.plan",
    "graft.components.gate.gate",
    "graft.components.notify.notify",
)
_IMPORTS_WITH_TENSORFLOW = (
    "graft.components.train.recipes",
    "graft.components.train.parts.part",
    "graft.components.train.features.training_set",
    "graft.components.train.fit.head_training",
    "graft.components.train.network.assembly",
    "graft.components.train.training_page",
    "graft.components.evaluate.parts.part",
    "graft.components.evaluate.evaluate",
    "graft.components.evaluate.summary",
    "graft.components.export.export",
    # What train and evaluate draw and count with, not before Keras: it would import them on its own account.
    "matplotlib.backends.backend_agg",
    "matplotlib.backends.backend_svg",
    "matplotlib.figure",
    "scipy.stats",
    "sklearn.metrics",
    # What tf.summary and pyarrow.parquet import when they are first called.
    "tensorboard.summary.v2",
    "pyarrow.dataset",
)


def main() -> None:
    """Writes the folder of the host's sockets to stdout, closes it, and serves."""
    handlers = {number: signal.getsignal(number) for number in (*_OF_THE_GROUP, _STOP, signal.SIGCHLD)}
    # Ctrl-C, say, reaches the steps, too, and these need the host until they have tidied up.
    for number in _OF_THE_GROUP:
        signal.signal(number, signal.SIG_IGN)
    folder = tempfile.mkdtemp(prefix="graft-steps-")  # which only this user may enter
    listeners = {step: _listen(folder, step) for step in _FUNCTIONS}
    os.write(sys.stdout.fileno(), os.fsencode(folder))  # which may be no text, or have line breaks
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    for module in _IMPORTS:
        importlib.import_module(module)
    second = os.fork()
    for step in _FUNCTIONS:
        if (step in _WITH_TENSORFLOW) is bool(second):
            listeners.pop(step).close()
    if not second:
        _import_tensorflow()
        signal.signal(_STOP, signal.SIG_IGN)  # it hears from its stdin now
    if request := Forks(list(listeners.values()), handlers).serve():
        request.run()
    elif second:
        os.kill(second, _STOP)  # while it imports, it hears of nothing else
        os.waitpid(second, 0)
        shutil.rmtree(folder, ignore_errors=True)  # it is gone after a run that went its way


def _listen(folder: str, step: str) -> socket.socket:
    """Returns the socket in the folder at which a step is asked for."""
    here = os.open(".", os.O_RDONLY)
    os.chdir(folder)  # a socket's path may have 108 bytes, and the folder's may have more
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(step)
    listener.listen()
    os.fchdir(here)
    os.close(here)
    return listener


def _import_tensorflow() -> None:
    """Imports what the steps need that compute."""
    root, handler = logging.getLogger(), logging.NullHandler()
    # As in a step, whose executor has set up logging: else TensorFlow would log to stderr on its own.
    root.addHandler(handler)
    load_tensorflow()
    for module in _IMPORTS_WITH_TENSORFLOW:
        importlib.import_module(module)
    root.removeHandler(handler)


if __name__ == "__main__":
    main()
