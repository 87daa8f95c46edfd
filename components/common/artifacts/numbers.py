"""Which number in a folder of numbered versions is which version of a model."""

from typing import Annotated, ClassVar, Self

from pydantic import Field, model_validator

from graft.components.common.artifacts.record import Part, Record

HIGHEST = 2**63 - 1
"""The highest number that servers take."""


class Numbered(Part):
    """A number that was given to a version."""

    number: int = Field(ge=1, le=HIGHEST, description="The number.")
    version: str = Field(pattern=r"^[0-9a-f]{64}$", description="The version: the digest of its SHA256SUMS.")
    token: str = Field(description="Who gave it, told apart from all others.")
    time: str = Field(description="When, ISO 8601 in UTC.")
    counter: Annotated[int, Field(exclude_if=lambda value: not value)] = Field(
        0, ge=0, description="The counter of the `latest.json` by which it was given; 0 if that is not signed."
    )


class Numbers(Record):
    """Which version of a model each number is that was ever given. Whether a number is there, the folder tells."""

    FILE: ClassVar[str] = "graft-numbers.json"
    REMEDY: ClassVar[str] = "delete it; what is there then stays, beside higher numbers, until a person removes it"

    numbers: tuple[Numbered, ...] = Field((), description="All of them, the newest last: numbers only grow.")

    @model_validator(mode="after")
    def _grow(self) -> Self:
        given = [entry.number for entry in self.numbers]
        if given != sorted(set(given)):
            raise ValueError("the numbers don't grow")
        return self

    def adding(self, entry: Numbered) -> Self:
        """Returns what this file says once a number has been given."""
        return self.model_copy(update={"numbers": (*self.numbers, entry)})
