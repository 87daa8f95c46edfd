"""A target, which serves a model: what folders, KServe and Vertex have in common, as far as Graft uses them."""

import abc
import dataclasses
from collections.abc import Sequence

from graft.components.deploy.candidate import Candidate


@dataclasses.dataclass(frozen=True)
class Placed:
    """A version at a target.

    Attributes:
        version: The version's name in the registry; empty for what Graft didn't put there.
        percent: The share of the traffic that it gets, from 0 to 100.
        where: What the target calls it, for people: a number, a revision, a deployed model.
    """

    version: str
    percent: int
    where: str = ""


class Target(abc.ABC):
    """A place that serves one model. Whatever it does can be done again: a killed deployment goes on where it stopped.

    All methods raise a GraftError, whose sentence names the place and the remedy, if it can't be reached, refuses, or is not done
    in time.

    Attributes:
        where: The place, for people, such as `InferenceService serving/cats`.
        splits: Whether traffic can be split between two versions.
    """

    where: str
    splits: bool

    @abc.abstractmethod
    def look(self) -> list[Placed]:
        """Returns the versions that are there, each once, also those that get no traffic."""

    @abc.abstractmethod
    def stage(self, candidate: Candidate) -> None:
        """Brings a version up until it can answer, without traffic from others; nothing if it is up.

        Where a place has no version yet, the first one may get traffic by this.
        """

    @abc.abstractmethod
    def ask(self, candidate: Candidate) -> bytes:
        """Returns the body that the staged version answers to the candidate's request, by TensorFlow Serving's REST interface."""

    @abc.abstractmethod
    def move(self, candidate: Candidate, percent: int) -> None:
        """Gives a version that is up its share of the traffic, and the version that had most until now the rest.

        With 100 all others get none from then on. It returns once the place says that it is so.
        """

    @abc.abstractmethod
    def clean(self, keep: Sequence[str]) -> None:
        """Removes versions that get no traffic, but for those to keep and for as many older ones as the settings say."""
