"""How much memory this process may use, and how much of it decoded images may."""

import os
from pathlib import Path, PurePosixPath

_CGROUPS, _HIERARCHIES = "/proc/self/cgroup", "/sys/fs/cgroup"
_SHARE = 2  # one half is for all the rest


def decoding_memory() -> int:
    """Returns how many bytes all images that are decoded at the same time may take, half of what there is."""
    return memory_limit() // _SHARE


def memory_limit(cgroups: str = _CGROUPS, hierarchies: str = _HIERARCHIES) -> int:
    """Returns the bytes of memory that the container, or else the machine, has.

    Args:
        cgroups: File that tells which control groups the process is in (https://man7.org/linux/man-pages/man7/cgroups.7.html).
        hierarchies: Folder of the control groups.
    """
    limits = [os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")]
    groups = Path(cgroups).read_text(encoding="utf-8").splitlines() if Path(cgroups).is_file() else []
    for line in groups:
        number, controllers, path = line.split(":", 2)
        if number != "0" and "memory" not in controllers.split(","):
            continue
        root = Path(hierarchies, "memory") if controllers else Path(hierarchies)
        group = PurePosixPath(path.lstrip("/"))
        # In a container the path may be the host's, and the container's own group be at the root.
        for folder in (group, *group.parents):
            file = root / folder / ("memory.limit_in_bytes" if controllers else "memory.max")
            limit = file.read_text(encoding="utf-8").strip() if file.is_file() else ""
            limits += [int(limit)] if limit.isdecimal() else []
    return min(limits)
