"""TensorFlow asked about itself, in a process of its own: an import that crashes or hangs takes nothing along."""

import dataclasses
import json
import os
import re
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import Future

from graft.components.common.errors import GraftError
from graft.components.common.extras import how_to_install
from graft.components.common.findings import Finding

TENSORFLOW_SECONDS = 60.0
"""What importing TensorFlow may take on a cold machine."""

_QUESTION = """
import json
from graft.components.common.compute.tensorflow import load_tensorflow
tensorflow = load_tensorflow()
print(json.dumps([tensorflow.__version__, tensorflow.sysconfig.get_build_info().get("cuda_version", "")]), flush=True)
details = map(tensorflow.config.experimental.get_device_details, tensorflow.config.list_physical_devices("GPU"))
print(json.dumps([gpu.get("device_name", "GPU") for gpu in details]))
"""
# It tells which libraries it can't open in its most detailed log alone.
_LOG = {"TF_CPP_MIN_LOG_LEVEL": "0", "TF_CPP_VMODULE": "dso_loader=1"}
_NOT_OPENED = re.compile(r"Could not load dynamic library '[^']+'; dlerror: ([^;\n]+)")
_NOT_STARTED = re.compile(r"failed call to cuInit: (?:INTERNAL: CUDA error: Failed call to cuInit: )?(.+)")


@dataclasses.dataclass(frozen=True)
class Told:
    """What TensorFlow tells about itself.

    Attributes:
        version: Its version.
        cuda: The CUDA that it is built for, such as `12.5.1`; empty for none.
        gpus: The names of the GPUs that it sees.
        missing: What the dynamic linker says to each library that it can't open: the name of what is missing, and why.
        error: Why NVIDIA's driver can't be started; empty if it can, or isn't there.
    """

    version: str
    cuda: str
    gpus: list[str]
    missing: list[str]
    error: str


def ask_tensorflow() -> Told:
    """Asks TensorFlow, which takes the seconds of its import.

    Raises:
        GraftError: It can't be imported.
    """
    command, environment = [sys.executable, "-P", "-c", _QUESTION], {**os.environ, **_LOG}
    try:
        asked = subprocess.run(command, capture_output=True, check=True, timeout=TENSORFLOW_SECONDS, env=environment)  # noqa: S603 (our own code)
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
        return _unfinished(error)
    (version, cuda), gpus = map(json.loads, asked.stdout.splitlines())
    log = asked.stderr.decode(errors="replace")
    not_started = _NOT_STARTED.search(log)
    return Told(version, cuda, gpus, _NOT_OPENED.findall(log), not_started[1] if not_started else "")


def _unfinished(error: subprocess.CalledProcessError | subprocess.TimeoutExpired) -> Told:
    """Returns what TensorFlow told before it crashed or hung as it looked for GPUs.

    Raises:
        GraftError: It did so before, as it was imported.
    """
    if isinstance(error, subprocess.TimeoutExpired):
        why, not_imported = f"no answer within {error.timeout:.0f} s", f"took more than {error.timeout:.0f} s to import"
    else:
        lines = error.stderr.decode(errors="replace").strip().splitlines()
        why = lines[-1] if lines else f"exit code {error.returncode}"
        not_imported = f"can't be imported ({why})"
    if not error.stdout:
        raise GraftError(f"TensorFlow {not_imported}.")
    version, cuda = json.loads(error.stdout)
    return Told(version, cuda, [], [], why)


def ask_once() -> Callable[[], Told]:
    """Returns what asks TensorFlow the first time that it is called, and repeats the answer afterwards, also to other threads."""
    lock, answer = threading.Lock(), Future[Told]()

    def ask() -> Told:
        with lock:
            if not answer.done():
                try:
                    answer.set_result(ask_tensorflow())
                except GraftError as error:
                    answer.set_exception(error)
        return answer.result()

    return ask


def look_at_tensorflow(ask: Callable[[], Told]) -> Finding:
    """Tells whether TensorFlow can be imported, and which it is."""
    try:
        version = ask().version
    except GraftError as error:
        remedy = f"Install it again: make run does, or {how_to_install('tensorflow')}."
        return Finding("TensorFlow", False, str(error), remedy)
    return Finding("TensorFlow", ok=True, text=version)
