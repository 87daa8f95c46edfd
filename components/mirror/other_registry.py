"""Another registry, which mirrors a model's versions: what MLflow's and Vertex's have in common, as far as Graft uses them."""

import abc
import dataclasses
import time
from collections.abc import Mapping
from typing import ClassVar

from graft.components.common.artifacts.latest import State
from graft.components.common.services.api_client import LostContactError

VERSION_TAG, STATE_TAG = "graft_version", "graft_state"
"""Tags of a copy: the version that it is of, and what became of that."""


@dataclasses.dataclass(frozen=True)
class Entry:
    """A version as it is to be mirrored.

    Attributes:
        version: Its name in Graft's registry.
        uri: Its path or URI in the store, without secrets.
        state: What became of it.
        model_digest: SHA-256 of its `model.keras`.
        dataset_digest: Content digest of the dataset that it was trained on.
        metrics: The figures of its evaluation, by name.
    """

    version: str
    uri: str
    state: State
    model_digest: str
    dataset_digest: str
    metrics: Mapping[str, float]


@dataclasses.dataclass(frozen=True)
class Copy:
    """A version as another registry has it.

    Attributes:
        number: What it is called there; of two copies of one version the one with the lower number counts.
        version: The name in Graft's registry that it was added with; empty for what Graft didn't add.
        uri: Path or URI of the version in the store, as the copy says.
        tags: What else it says, as `tags` writes it.
        champion: Whether it has the alias `champion`.
    """

    number: int
    version: str
    uri: str
    tags: Mapping[str, str]
    champion: bool = False


class OtherRegistry(abc.ABC):
    """A model in another registry, of the same name as in Graft's. Whatever it does can be done again.

    All methods raise a LostContactError where it can't be reached, is overloaded or too slow, which another attempt may mend, and another
    GraftError where it refuses; the sentence names the place and the remedy.

    Args:
        where: The place, for people, such as `https://mlflow.example.com`.
        seconds: How long it may take in all; None for `SECONDS`.

    Attributes:
        SECONDS: How long it may take in all in a run, which has something better to do than to wait.
    """

    SECONDS: ClassVar[float] = 10.0

    def __init__(self, where: str, seconds: float | None = None) -> None:
        self.where, self._seconds = where, self.SECONDS if seconds is None else seconds
        self._until = time.monotonic() + self._seconds

    def left(self) -> float:
        """Returns how many seconds are left, for the time limit of a request.

        Raises:
            LostContactError: None are.
        """
        if (left := self._until - time.monotonic()) <= 0:
            raise self.too_slow()
        return left

    def too_slow(self) -> LostContactError:
        """Returns the error that says that it took too long."""
        return LostContactError(f"{self.where} was not up to date within {self._seconds:.0f} s.")

    @abc.abstractmethod
    def look(self) -> list[Copy]:
        """Returns what is there under the model's name, added by Graft or not; makes the model if it isn't there."""

    @abc.abstractmethod
    def tags(self, entry: Entry) -> Mapping[str, str]:
        """Returns what a copy of a version is to say of it, as far as it can change."""

    @abc.abstractmethod
    def add(self, entry: Entry) -> Copy:
        """Adds a version. Whoever calls it has looked before, and looks again afterwards: two may have done it at the same time."""

    @abc.abstractmethod
    def tag(self, number: int, tags: Mapping[str, str]) -> None:
        """Writes these tags of a copy over; others stay."""

    @abc.abstractmethod
    def remove(self, number: int) -> None:
        """Removes a copy, if it still is there."""

    @abc.abstractmethod
    def crown(self, number: int | None) -> None:
        """Gives a copy the alias `champion`, which no other has from then on; with None no copy has it."""
