"""Which versions of a model are too old to be kept, and removing them."""

import time

from graft.components.common.artifacts.latest import Latest
from graft.components.common.progress import progress
from graft.components.common.registry.latest_file import LatestFile
from graft.components.common.registry.removals import Removals, abandoned
from graft.components.common.registry.versions import Versions

_A_DAY = 24 * 60 * 60


def prune(file: LatestFile, versions: Versions, removals: Removals, keep: int, *, dry_run: bool) -> list[str]:
    """Removes old versions, as `Registry.prune` says.

    Args:
        file: The model's `latest.json`.
        versions: Its versions.
        removals: Their removals.
        keep: How many of the newest stay.
        dry_run: Whether to remove nothing.

    Returns:
        The versions that go.

    Raises:
        GraftError: The store can't be read or written, or `latest.json` is damaged.
    """
    finished = versions.finished()
    newest = sorted(finished, key=lambda version: finished[version], reverse=True)[:keep]

    def needed(latest: Latest) -> set[str | None]:
        promoted = [about.version for about in latest.candidates if about.version in finished]
        return {latest.version, *promoted[:2]}

    latest = file.read()
    go = sorted({*finished} - {*newest} - needed(latest), key=lambda version: finished[version])
    go += versions.unfinished(older_than=time.time() - _A_DAY)
    go += [version for version in abandoned(latest) if version not in go]
    if dry_run:
        return go
    gone = []
    with progress("removing versions", len(go), "versions") as advance:
        for version in go:
            if removals.begin(version, needed):
                versions.remove(version)
                removals.end(version)
                gone.append(version)
            advance(1)
    return gone
