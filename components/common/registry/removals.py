"""Removing versions so that nobody promotes or publishes what is going: `latest.json` says so before the first file goes."""

import logging
import time
from collections.abc import Callable, Container
from datetime import UTC, datetime, timedelta
from uuid import uuid4

from graft.components.common.artifacts.latest import Latest, Removal
from graft.components.common.errors import GraftError
from graft.components.common.registry.latest_file import LatestFile

log = logging.getLogger("graft")

# A removal takes seconds. What lasts longer was left by a process that was killed, and who needs the version goes on without it.
LONGEST = timedelta(minutes=10)
_PAUSE_SECONDS = 0.1


class Removals:
    """The removals of a model's versions.

    Args:
        file: The model's `latest.json`.
    """

    def __init__(self, file: LatestFile) -> None:
        self._file, self._token = file, uuid4().hex

    def begin(self, version: str, needed: Callable[[Latest], Container[str | None]]) -> bool:
        """Marks a version as being removed, unless it has to stay or somebody else is about it.

        Args:
            version: The version.
            needed: Returns the versions that have to stay, by what `latest.json` says.

        Returns:
            Whether it is marked, and may be removed.
        """

        def change(latest: Latest) -> Latest:
            if version in needed(latest) or _under_way(latest, version):
                return latest
            removal = Removal(token=self._token, time=datetime.now(UTC))
            return latest.model_copy(update={"removing": {**latest.removing, version: removal}})

        removal = self._file.change(change).removing.get(version)
        return removal is not None and removal.token == self._token

    def end(self, version: str) -> None:
        """Takes the mark away, once the version is gone.

        Raises:
            GraftError: It took so long that somebody else took the version over.
        """

        def change(latest: Latest) -> Latest:
            if version not in latest.removing or latest.removing[version].token != self._token:
                raise GraftError(
                    f"Removing {version} took longer than {LONGEST}, and somebody else went on with it: check with graft registry verify."
                )
            return _without(latest, version)

        self._file.change(change)

    def settle(self, version: str) -> int:
        """Waits until nobody removes a version, and takes away the mark that a killed process left.

        Returns:
            How many removals of any version ended so far: while this number stays, nobody removed one.
        """
        said = False
        until = time.monotonic() + LONGEST.total_seconds()  # whose mark is from tomorrow has another clock
        while True:
            latest = self._file.change(
                lambda now: now if _under_way(now, version) and time.monotonic() < until else _without(now, version)
            )
            if version not in latest.removing:
                return latest.removed
            if not said:
                log.info("%s is being removed: waiting until it is gone, to publish it again", version)
                said = True
            time.sleep(_PAUSE_SECONDS)


def abandoned(latest: Latest) -> list[str]:
    """Returns the versions that a killed process began to remove."""
    return [version for version in latest.removing if not _under_way(latest, version)]


def refuse_removed(latest: Latest, version: str) -> None:
    """Refuses a version that is being removed.

    Raises:
        GraftError: It is.
    """
    if removal := latest.removing.get(version):
        raise GraftError(
            f"{version} is being removed since {removal.time:%Y-%m-%d %H:%M UTC}: name another version, or publish its Export again."
        )


def _under_way(latest: Latest, version: str) -> bool:
    removal = latest.removing.get(version)
    return removal is not None and datetime.now(UTC) - removal.time < LONGEST


def _without(latest: Latest, version: str) -> Latest:
    if version not in latest.removing:
        return latest
    left = {name: removal for name, removal in latest.removing.items() if name != version}
    return latest.model_copy(update={"removing": left, "removed": latest.removed + 1})
