"""Which state of a signed `latest.json` this user of this machine saw last, so that an older one that is put back is noticed."""

import dataclasses
import hashlib
import json
import logging

from graft.components.common import storage
from graft.components.common.artifacts.latest import Latest
from graft.components.common.errors import GraftError

log = logging.getLogger("graft")


@dataclasses.dataclass(frozen=True)
class State:
    """A signed state.

    Attributes:
        counter: How many signed changes there had been; 0 for none.
        signature: Its signature.
    """

    counter: int = 0
    signature: str = ""


class LastSeen:
    """Remembers the newest state of one file, in the cache of the user. Without a cache nothing is remembered, which is logged.

    Args:
        uri: Path or URI of the `latest.json`.
    """

    def __init__(self, uri: str) -> None:
        self._uri, self._file = uri, ""
        try:
            root = storage.cache_root().parent / "latest"
        except OSError as error:
            log.warning("%s: an older state that is put back won't be noticed here (no cache: %s)", uri, error)
        else:
            self._file = str(root / f"{hashlib.sha256(uri.encode()).hexdigest()}.json")

    def state(self) -> State:
        """Returns the newest state that was seen.

        Raises:
            GraftError: What was noted can't be read.
        """
        return self._parse(storage.look(self._file)) if self._file else State()

    def check(self, known: State, found: State, remedy: str) -> None:
        """Refuses a state that is older than one that was seen before it was read, or another one with the same counter.

        Args:
            known: What `state` returned before the file was read.
            found: What the file then held.
            remedy: The command with which a person says that it is right all the same.

        Raises:
            GraftError: It is.
        """
        if found.counter < known.counter or (found.counter == known.counter and found != known):
            raise GraftError(
                f"{self._uri} was put back to an older state, or is gone: it has the counter {found.counter}, and {known.counter} was "
                f"seen here before. Restore its newest generation or, if it is right, run {remedy}; {self._file} remembers."
            )

    def note(self, found: State) -> None:
        """Remembers a state, unless a newer one was seen meanwhile.

        Raises:
            GraftError: It can't be written.
        """
        while self._file and found.counter:
            seen = storage.look(self._file)
            if self._parse(seen).counter >= found.counter:
                return
            content = json.dumps({"uri": self._uri, **dataclasses.asdict(found)}).encode()
            if storage.swap(self._file, seen, content):
                return

    def _parse(self, seen: storage.Seen) -> State:
        if seen.content is None:
            return State()
        try:
            noted = json.loads(seen.content)
            return State(int(noted["counter"]), str(noted["signature"]))
        except (ValueError, KeyError, TypeError) as error:
            raise GraftError(
                f"{self._file}, which remembers what was seen of {self._uri}, is damaged: remove it."
            ) from error


def state_of(latest: Latest) -> State:
    """Returns the signed state that a file holds; none if it isn't signed, whatever its counter says."""
    return State(latest.counter, latest.signature.value) if latest.signature else State()
