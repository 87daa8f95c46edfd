"""A model's `latest.json` in a store: the only file of a registry that ever changes, one swap at a time."""

import functools
from collections.abc import Callable

from graft.components.common import storage
from graft.components.common.artifacts.latest import Latest
from graft.components.common.artifacts.signing.keys import SIGNING_KEY, VERIFY_KEY, signer, verify_keys
from graft.components.common.artifacts.signing.signed_latest import sign_latest, verify_latest
from graft.components.common.errors import GraftError
from graft.components.common.registry.last_seen import LastSeen, State, state_of


class LatestFile:
    """Which version of a model is the latest. All methods raise a GraftError if it can't be read or written, or is damaged.

    Where a key to verify by is configured, they do as well if no trusted key signed it, or if it is older than what this machine has seen.

    Args:
        folder: Path or URI of the model's folder.
        accept: Returns the command with which a person says that a state is right though a higher counter was seen.

    Attributes:
        uri: Its path or URI.
    """

    def __init__(self, folder: str, accept: Callable[[int], str]) -> None:
        self.uri = f"{folder}/{Latest.FILE}"
        self._model, self._accept = folder.rpartition("/")[2], accept

    def read(self) -> Latest:
        """Returns what it says; before the first promotion there need not be one."""
        return self._look()[1]

    def change(self, change: Callable[[Latest], Latest]) -> Latest:
        """Changes it in one swap, deciding anew whenever somebody else was faster.

        Args:
            change: Makes of what it says what it is to say. What this finds out besides is as new as that: the swap fails if anything
                was changed since.

        Returns:
            What it says now.
        """
        while True:
            seen, before = self._look()
            after = change(before)
            if after == before:
                return after
            if (written := self._swap(seen, after)) is not None:
                return written

    def sign(self, above: int = 0) -> Latest:
        """Signs what it says, because a person says that it is right. What the key has signed stays as it is, unless `above` is given.

        Args:
            above: A counter that was seen: what is there gets a higher one.

        Raises:
            GraftError: It is signed by an unknown key, or was changed since, or is older than what this machine has seen and `above`.
        """
        by = signer()
        if by is None:
            raise GraftError(f"Nothing can be signed without a private key: name one in {SIGNING_KEY}.")
        while True:
            seen, before = self._look(above, may_be_unsigned=True)
            is_done = before.signature.key == by.key if before.signature else seen.content is None
            if is_done and not above:
                return before
            after = before.model_copy(update={"counter": max(before.counter, above)})
            if (written := self._swap(seen, after)) is not None:
                return written

    @functools.cached_property
    def _last_seen(self) -> LastSeen:
        return LastSeen(self.uri)

    def _look(self, above: int = 0, *, may_be_unsigned: bool = False) -> tuple[storage.Seen, Latest]:
        trusted = verify_keys()
        known = self._last_seen.state() if trusted else State()  # before the file is read, which can't be older then
        seen = storage.look(self.uri)
        latest = Latest() if seen.content is None else Latest.parse(seen.content, self.uri)
        if trusted is None:
            return seen, latest
        if seen.content is not None and not (may_be_unsigned and latest.signature is None):
            latest = verify_latest(seen.content, self._model, self.uri, trusted)
        if known.counter > above:
            self._last_seen.check(known, state_of(latest), self._accept(known.counter))
        self._last_seen.note(state_of(latest))
        return seen, latest

    def _swap(self, seen: storage.Seen, after: Latest) -> Latest | None:
        """Returns what was written; None if somebody else was faster."""
        by = signer()
        if by is not None:
            after = sign_latest(after.model_copy(update={"counter": after.counter + 1}), self._model, by)
        elif after.signature is not None or verify_keys() is not None:
            raise GraftError(
                f"{self.uri} is signed, or {VERIFY_KEY} asks for that: name the private key in {SIGNING_KEY} to change it."
            )
        if not storage.swap(self.uri, seen, after.text().encode()):
            return None
        if by is not None:
            self._last_seen.note(state_of(after))
        return after
