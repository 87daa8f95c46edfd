"""How much space is left on the disks that Graft writes to."""

import shutil
from collections.abc import Sequence
from pathlib import Path

from graft.components.common.findings import Finding

_GIBIBYTE = 2**30
_LEAST_GIBIBYTES = 2  # a run on 3,000 photographs, with its downloads


def existing(path: Path) -> Path:
    """Returns a path that may not exist yet, or the nearest one above it that does."""
    path = path.absolute()
    return next(place for place in (path, *path.parents) if place.exists())


def look_at_disk(folders: Sequence[Path]) -> Finding:
    """Tells how much space is left where Graft writes.

    Args:
        folders: The folders; those that don't exist yet count for where they will be.
    """
    free = {folder: shutil.disk_usage(existing(folder)).free / _GIBIBYTE for folder in folders}
    text = ", ".join(f"{left:.1f} GiB free in {folder}" for folder, left in free.items())
    if min(free.values()) >= _LEAST_GIBIBYTES:
        return Finding("Disk", ok=True, text=text)
    remedy = f"Free at least {_LEAST_GIBIBYTES} GiB: graft gc --store runs/store, or name other folders by --runs and TMPDIR."
    return Finding("Disk", False, text, remedy)
