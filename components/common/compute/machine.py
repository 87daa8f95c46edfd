"""What this process may use of the machine: its Python, memory and cores, and which packages are there."""

import importlib.metadata
import math
import os
import platform
import sys
import time
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from graft.components.common.errors import GraftError
from graft.components.common.findings import Finding

_PYTHONS = ((3, 11), (3, 13))
_LEAST_GIBIBYTES = 4
_GIBIBYTE = 2**30
_FIRST_YEAR = 1980
_CGROUPS, _HIERARCHIES = "/proc/self/cgroup", "/sys/fs/cgroup"
_SHARE = 2  # one half is for all the rest


def cores(cgroups: str = _CGROUPS, hierarchies: str = _HIERARCHIES) -> int:
    """Returns how many CPU cores this process may keep busy: those it may run on, or what its container has of their time.

    A part of a core counts as a whole one.

    Args:
        cgroups: File that tells which control groups the process is in (https://man7.org/linux/man-pages/man7/cgroups.7.html).
        hierarchies: Folder of the control groups.
    """
    limits = [len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1]
    for folder, is_v2 in _groups("cpu", cgroups, hierarchies):
        files = ["cpu.max"] if is_v2 else ["cpu.cfs_quota_us", "cpu.cfs_period_us"]
        numbers = [number for file in files for number in _numbers(folder / file)]
        if len(numbers) == 2 and all(
            numbers
        ):  # the time it may take of each period; without a limit the first is no number
            limits.append(math.ceil(numbers[0] / numbers[1]))
    return min(limits)


def memory_limit(cgroups: str = _CGROUPS, hierarchies: str = _HIERARCHIES) -> int:
    """Returns the bytes of memory that the container, or else the machine, has.

    Args:
        cgroups: As `cores` takes it.
        hierarchies: As `cores` takes it.
    """
    limits = [os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")]
    for folder, is_v2 in _groups("memory", cgroups, hierarchies):
        limits += _numbers(folder / ("memory.max" if is_v2 else "memory.limit_in_bytes"))
    return min(limits)


def check_clock() -> None:
    """Checks that the clock was set: what a zip holds, as a model's file, can't be older than 1980.

    Raises:
        GraftError: It wasn't.
    """
    year = time.gmtime(time.time()).tm_year
    if year < _FIRST_YEAR:
        raise GraftError(f"This machine's clock says {year}, when no model's file can be written: set it by NTP.")


def decoding_memory() -> int:
    """Returns how many bytes all images that are decoded at the same time may take, half of what there is."""
    return memory_limit() // _SHARE


def _groups(controller: str, cgroups: str, hierarchies: str) -> Iterator[tuple[Path, bool]]:
    """Yields the folders of the control groups that limit this process, and whether each is of version 2."""
    for line in _text(Path(cgroups)).splitlines():
        number, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        if number != "0" and controller not in controllers.split(","):
            continue
        root = Path(hierarchies, controller) if controllers else Path(hierarchies)
        group = PurePosixPath(path.lstrip("/"))
        # In a container the path may be the host's, and the container's own group be at the root.
        for folder in (group, *group.parents):
            yield root / folder, not controllers


def _numbers(file: Path) -> list[int]:
    """Returns the numbers in a file of a control group; none if there is no such file."""
    return [int(word) for word in _text(file).split() if word.isdecimal()]


def _text(file: Path) -> str:
    """Returns what is in a file; nothing if there is none, or it can't be read: its control group may be gone, or be hidden."""
    try:
        return file.read_text(encoding="utf-8", errors="surrogateescape")
    except OSError:
        return ""


def look_at_python() -> Finding:
    """Tells whether Graft runs on this Python and system."""
    first, last = _PYTHONS
    text = f"{platform.python_version()} on {platform.system()} {platform.machine()}"
    remedy = f"Install Python {'.'.join(map(str, first))} to {'.'.join(map(str, last))}."
    ok = first <= sys.version_info[:2] <= last
    return Finding("Python", ok, text, "" if ok else remedy)


def look_at_memory() -> Finding:
    """Tells how much memory and how many cores this process may use."""
    count, gibibytes = cores(), memory_limit() / _GIBIBYTE
    text = f"{gibibytes:.1f} GiB, {count} {'core' if count == 1 else 'cores'}"
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
