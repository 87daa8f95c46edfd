"""A target, which serves a model: what folders, KServe and Vertex have in common, as far as Graft uses them."""

import abc
import dataclasses
from collections.abc import Sequence

from graft.components.common.errors import GraftError
from graft.components.deploy.candidate import Candidate


class OvertakenError(GraftError):
    """Somebody else changed what is served meanwhile, so that nothing was done: look again, and decide anew."""


@dataclasses.dataclass(frozen=True)
class Placed:
    """A version at a target.

    Attributes:
        version: The version's name in the registry; empty for what Graft didn't put there.
        percent: The share of the traffic that it gets, from 0 to 100; 0 as well as long as that is not certain, as while another
            deployment is about to change it.
        where: What the target calls it, for people: a number, a revision, a deployed model.
        counter: That of its candidate: how new the `latest.json` was by which it was brought there; 0 if that is not known.
    """

    version: str
    percent: int
    where: str = ""
    counter: int = 0


class Target(abc.ABC):
    """A place that serves one model. Whatever it does can be done again: a killed deployment goes on where it stopped.

    All methods raise a GraftError, whose sentence names the place and the remedy, if it can't be reached, refuses, or is not done
    in time.

    Attributes:
        where: The place, for people, such as `InferenceService serving/cats`.
        remedy: What to do where a version answers otherwise than when it was exported: a sentence.
    """

    where: str
    remedy: str = "Look at the server's version and its log."

    @property
    @abc.abstractmethod
    def splits(self) -> bool:
        """Whether traffic can be split between two versions."""

    @abc.abstractmethod
    def look(self) -> list[Placed]:
        """Returns the versions that are there, each once, also those that get no traffic: the one that came last is the last."""

    @abc.abstractmethod
    def plan(self, candidate: Candidate, percent: int) -> str:
        """Returns what would be done to give a version its share of the traffic, and does nothing: sentences, or a manifest."""

    @abc.abstractmethod
    def stage(self, candidate: Candidate) -> None:
        """Brings a version up until it can answer, without traffic from others; nothing if it is up."""

    @abc.abstractmethod
    def ask(self, candidate: Candidate) -> bytes | None:
        """Returns the body that the staged version answers to the candidate's request, by TensorFlow Serving's REST interface.

        None where it was asked before it got traffic for the first time, and can't be asked again without.
        """

    def drop(self, candidate: Candidate) -> None:  # noqa: B027 (most places have nothing to do)
        """Takes back what `stage` brought, of a version that doesn't answer as it should: where that would stay and cost something."""

    @abc.abstractmethod
    def move(self, candidate: Candidate, percent: int) -> None:
        """Gives a version that is up its share of the traffic, and the version that had most until now the rest.

        With 100 all others get none from then on. It returns once the place says that it is so. Nobody asks afterwards whether it did
        what was meant: who finds that somebody else has changed the traffic since `look` raises an OvertakenError.
        """

    @abc.abstractmethod
    def clean(self, promoted: Sequence[str]) -> None:
        """Removes versions that get no traffic: withdrawn ones at once, and others but for as many as the settings say.

        What Graft didn't put there stays.

        Args:
            promoted: The versions that were promoted and not withdrawn, the latest first: all others are to go.
        """
