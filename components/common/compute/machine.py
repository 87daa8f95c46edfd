"""What this machine is: its Python, memory and cores, and which packages are there."""

import importlib.metadata
import os
import platform
import sys

from graft.components.common.compute.memory import memory_limit
from graft.components.common.findings import Finding

_PYTHONS = ((3, 11), (3, 13))
_LEAST_GIBIBYTES = 4
_GIBIBYTE = 2**30


def look_at_python() -> Finding:
    """Tells whether Graft runs on this Python and system."""
    first, last = _PYTHONS
    text = f"{platform.python_version()} on {platform.system()} {platform.machine()}"
    remedy = f"Install Python {'.'.join(map(str, first))} to {'.'.join(map(str, last))}."
    ok = first <= sys.version_info[:2] <= last
    return Finding("Python", ok, text, "" if ok else remedy)


def look_at_memory() -> Finding:
    """Tells how much memory and how many cores this process may use."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    gibibytes = memory_limit() / _GIBIBYTE
    text = f"{gibibytes:.1f} GiB, {cores} {'core' if cores == 1 else 'cores'}"
    if gibibytes >= _LEAST_GIBIBYTES:
        return Finding("Memory", ok=True, text=text)
    remedy = f"Training may be killed with less than {_LEAST_GIBIBYTES} GiB: give it more."
    return Finding("Memory", False, text, remedy, needed=False)


def look_at_package(name: str, package: str, remedy: str) -> Finding:
    """Tells whether a package is installed, and its version, without importing it.

    Args:
        name: What it is for.
        package: Its name.
        remedy: How to install it.
    """
    try:
        return Finding(name, ok=True, text=f"{package} {importlib.metadata.version(package)}")
    except importlib.metadata.PackageNotFoundError:
        return Finding(name, False, f"the package {package} is not installed", remedy)
