"""Run in the GPU image: opens by name, in a process without TensorFlow, what TensorFlow opens for GPUs, and prints what came of it.

The names are not in TensorFlow's binary: functions that are (`DsoLoader::Get…DsoHandle()`) put them together. All of them are called.
"""

import ctypes
import importlib.util
import json
import os
import re
import subprocess
import sys
from pathlib import Path

FOLDER = Path(importlib.util.find_spec("tensorflow").origin).parent
FRAMEWORK = FOLDER / "libtensorflow_framework.so.2"
LOADERS = re.compile(rb"_ZN3tsl8internal9DsoLoader\d+Get\w+DsoHandleEv")
TRIED = re.compile(r"(?:Successfully opened dynamic library |Could not load dynamic library ')([\w.-]+)")
OF_NVIDIA = ("libcu", "libnv", "libnccl")


def call_all():
    """Calls each of the functions. They return an `absl::StatusOr<void*>`, 16 bytes, where their hidden first argument points to."""
    library = ctypes.CDLL(str(FRAMEWORK))
    for name in set(LOADERS.findall(FRAMEWORK.read_bytes())):
        getattr(library, name.decode())(ctypes.create_string_buffer(16))


def can_be_opened(name):
    try:
        ctypes.CDLL(name)
    except OSError:
        return False
    return True


if sys.argv[1:] == ["call"]:
    call_all()
else:
    log = {"TF_CPP_MIN_LOG_LEVEL": "0", "TF_CPP_VMODULE": "dso_loader=1"}
    called = subprocess.run(
        [sys.executable, __file__, "call"], env=os.environ | log, stderr=subprocess.PIPE, text=True, check=True
    )
    names = {name for name in TRIED.findall(called.stderr) if name.startswith(OF_NVIDIA)}
    print(json.dumps({name: can_be_opened(name) for name in sorted(names)}))
