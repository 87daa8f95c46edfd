"""What goes wrong in a way the user can mend."""

from collections.abc import Iterable, Sequence
from typing import Any


class GraftError(Exception):
    """A problem whose text is one readable sentence that says what to do next.

    The commands print it without a traceback.
    """

    @property
    def problems(self) -> tuple[str, ...]:
        """What is wrong, a sentence a problem."""
        return (str(self),)


class SeveralError(GraftError):
    """Several problems at once. Its text has a line for each of them, and breaks nowhere else."""

    def __init__(self, problems: Sequence[str]) -> None:
        self._problems = tuple(problem.replace("\n", "\\u000a") for problem in problems)
        super().__init__("\n  - ".join([f"{len(problems)} things are wrong:", *self._problems]))

    @property
    def problems(self) -> tuple[str, ...]:
        """What is wrong, a sentence a problem."""
        return self._problems


def raise_all(errors: Iterable[GraftError]) -> None:
    """Raises what is wrong: one error as it is, several as one, each of them told once.

    Raises:
        GraftError: Something is wrong.
    """
    first: GraftError | None = None
    problems: dict[str, None] = {}
    for error in errors:
        first = first or error
        problems |= dict.fromkeys(error.problems)
    if first is None:
        return
    if len(problems) == 1:
        raise first
    raise SeveralError(list(problems)) from first


class DamagedRecordError(GraftError):
    """A record is there, but can't be read, or is not what a step writes, or not what this Graft knows."""


class GateFailedError(GraftError):
    """The model is sound but not good enough to publish.

    Attributes:
        outcome: What the gate found, for the run record, which otherwise holds no outcome of a failed step.
    """

    def __init__(self, message: str, outcome: Any) -> None:
        super().__init__(message)
        self.outcome = outcome


class NotPromotedError(GraftError):
    """A version was published, but is not the latest; the message says why."""
