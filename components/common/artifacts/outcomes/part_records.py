"""What is on record of a step whose work parts share: how it was planned, and each part's own account."""

from typing import ClassVar, Literal

from pydantic import Field

from graft.components.common.artifacts.record import Record
from graft.components.common.steps import FannedStep


class PartsPlan(Record):
    """What a step had to work on when the run got to it, and how many parts share that."""

    FILE: ClassVar[str] = "plan.json"
    REMEDY: ClassVar[str] = "remove it"

    step: FannedStep = Field(description="The step's name.")
    parts: int = Field(ge=1, description="How many parts there are; 1 for none but the step itself.")
    work: int = Field(ge=0, description="Images to be worked on.")


class PartRecord(Record):
    """How far a part is, or how it ended. It tells people; what the step goes by is what lies in the store."""

    REMEDY: ClassVar[str] = "remove it"

    step: FannedStep = Field(description="The step's name.")
    number: int = Field(ge=1, description="The part's number, from 1 on.")
    of: int = Field(ge=1, description="How many parts there are.")
    status: Literal["running", "succeeded", "failed"] = Field(
        description="Whether it is at work or was killed, did its share, or gave up."
    )
    planned: int = Field(ge=0, description="Images of its share.")
    done: int = Field(ge=0, description="How many of them the store has the results of.")
    reason: str = Field(description="Why it failed; empty if it didn't.")
    started: str = Field(description="When it began, ISO 8601 in UTC.")
    updated: str = Field(description="When this was written, ISO 8601 in UTC.")
