"""What goes wrong in a way the user can mend."""

from typing import Any


class GraftError(Exception):
    """A problem whose text is one readable sentence that says what to do next.

    The commands print it without a traceback.
    """


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
