"""A model's `latest.json` in a store: the only file of a registry that ever changes, one swap at a time."""

from collections.abc import Callable

from graft.components.common import storage
from graft.components.common.artifacts.latest import Latest


class LatestFile:
    """Which version of a model is the latest. All methods raise a GraftError if it can't be read or written, or is damaged.

    Args:
        folder: Path or URI of the model's folder.

    Attributes:
        uri: Its path or URI.
    """

    def __init__(self, folder: str) -> None:
        self.uri = f"{folder}/{Latest.FILE}"

    def read(self) -> Latest:
        """Returns what it says; before the first promotion there need not be one."""
        return self._parse(storage.look(self.uri))

    def change(self, change: Callable[[Latest], Latest]) -> Latest:
        """Changes it in one swap, deciding anew whenever somebody else was faster.

        Args:
            change: Makes of what it says what it is to say. What this finds out besides is as new as that: the swap fails if anything
                was changed since.

        Returns:
            What it says now.
        """
        while True:
            seen = storage.look(self.uri)
            before = self._parse(seen)
            after = change(before)
            if after == before or storage.swap(self.uri, seen, after.text().encode()):
                return after

    def _parse(self, seen: storage.Seen) -> Latest:
        return Latest() if seen.content is None else Latest.parse(seen.content, self.uri)
