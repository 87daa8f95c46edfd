"""NVIDIA's GPUs: that TensorFlow finds its libraries, and why it can't use a GPU that is here."""

import ctypes
import functools
import importlib.util
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from graft.components.common.compute.asked_tensorflow import Told, ask_tensorflow
from graft.components.common.findings import Finding

_DEV, _GPUS = Path("/dev"), "nvidia[0-9]*"
_DRIVER = "libcuda.so.1"
_HIDDEN = re.compile(r"\s*(-|NoDevFiles$|$)")  # what schedulers and people hide all GPUs by
_DRIVERS_OWN = re.compile(r"lib(cuda|nvidia-\w+)\.so")  # and not of the wheels


def open_libraries() -> None:
    """Opens the libraries of NVIDIA's wheels where there is a GPU, before TensorFlow asks the dynamic linker for them by name.

    TensorFlow's own search path lacks the folder of cusolver's. What a library needs itself, its own search path names.
    """
    nvidia = importlib.util.find_spec("nvidia")
    if not nvidia or not nvidia.submodule_search_locations or not is_here():
        return
    for library in (file for place in nvidia.submodule_search_locations for file in Path(place).glob("*/lib/*.so.*")):
        if library.name.startswith(f"lib{library.parts[-3]}.so."):
            try:
                ctypes.CDLL(str(library), os.RTLD_LAZY)
            except OSError:  # TensorFlow can't open it either, and `why_unused` tells
                continue


def is_here() -> bool:
    """Tells whether a GPU is here for this process: its device, or the driver's library. `CUDA_VISIBLE_DEVICES` may hide it."""
    shown = os.environ.get("CUDA_VISIBLE_DEVICES")
    if shown is not None and _HIDDEN.match(shown):
        return False
    return _has_device() or _driver() is not None


@functools.cache
def why_unused(tensorflow: Any) -> str:
    """Returns why the GPU that is here can't be used, and what to do, as sentences; empty where it can, or there is none."""
    if not is_here():
        return ""
    cuda = tensorflow.sysconfig.get_build_info().get("cuda_version", "")
    if not cuda or _too_old(cuda):
        text, remedy = _why(Told(tensorflow.__version__, cuda, [], [], ""))
    elif tensorflow.config.list_physical_devices("GPU"):
        return ""
    else:
        text, remedy = _why(ask_tensorflow())
    return f"{text[0].upper()}{text[1:]}. {remedy}"


def look_at_gpu(ask: Callable[[], Told]) -> Finding:
    """Tells which GPUs TensorFlow sees, or why none."""
    if not is_here():
        remedy = "Training runs on the CPU. A container needs --gpus all."
        return Finding("GPU", False, "no NVIDIA GPU is visible here", remedy, needed=False)
    told = ask()
    if told.gpus and not _too_old(told.cuda):
        return Finding("GPU", ok=True, text=", ".join(told.gpus), needed=False)
    return Finding("GPU", False, *_why(told), needed=False)


def _why(told: Told) -> tuple[str, str]:
    """Returns why TensorFlow can't use the GPU that is here, and what to do."""
    here, install = (
        f"there is an NVIDIA {'GPU' if _has_device() else 'driver'}, but",
        "make run GPU=1 does, or the image graft:gpu, or pip install 'graft[gpu]'.",
    )
    if not told.cuda:
        return f"{here} this TensorFlow is the CPU's", f"Install the GPU's: {install}"
    if versions := _too_old(told.cuda):
        return f"{here} the driver is too old: {versions}", (
            "Update the driver (https://docs.nvidia.com/deploy/cuda-compatibility), or hide the GPU: CUDA_VISIBLE_DEVICES=-1."
        )
    missing = f"{here} TensorFlow can't open {', and '.join(told.missing)}"
    if any(map(_DRIVERS_OWN.match, told.missing)):
        return missing, (
            "The driver brings it. A container gets it by --gpus all with NVIDIA_DRIVER_CAPABILITIES=compute,utility, and from "
            "GKE's device plugin."
        )
    if told.missing:
        return missing, f"Install the CUDA libraries again: {install}"
    shown = os.environ.get("CUDA_VISIBLE_DEVICES")
    check = "Check it by nvidia-smi" + (f", and CUDA_VISIBLE_DEVICES, which is {shown!r}." if shown else ".")
    if told.error:
        return f"{here} the driver can't be started: {told.error}", check
    return f"{here} TensorFlow sees no GPU", check


def _too_old(cuda: str) -> str:
    """Returns which CUDA the driver has, and which a TensorFlow that is built for some CUDA needs; empty if it is enough, or there is none.

    A driver runs what is built for any minor version of its CUDA
    (https://docs.nvidia.com/deploy/cuda-compatibility/minor-version-compatibility.html).
    """
    get_version, version = getattr(_driver(), "cuDriverGetVersion", None), ctypes.c_int()
    if not cuda or get_version is None or get_version(ctypes.byref(version)):
        return ""
    major, minor = divmod(version.value // 10, 100)
    needed = cuda.partition(".")[0]
    return f"it has CUDA {major}.{minor}, and TensorFlow needs {needed}.0 or later" if major < int(needed) else ""


def _has_device() -> bool:
    return any(_DEV.glob(_GPUS))


def _driver() -> ctypes.CDLL | None:
    try:
        return ctypes.CDLL(_DRIVER)
    except OSError:
        return None
