"""`latest.json`: which version of a model counts, and all else about its versions that ever changes."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, ClassVar, Literal, Self

from pydantic import AwareDatetime, Field, model_validator

from graft.components.common.artifacts.record import Part, Record, Sparse, utc_now

_LEFT_OUT_IF_EMPTY = Field(exclude_if=lambda value: not value)


class State(StrEnum):
    """What became of a version."""

    LATEST = "latest"
    PROMOTED_EARLIER = "promoted earlier"
    WITHDRAWN = "withdrawn"
    NOT_PROMOTED = "not promoted"
    BEING_REMOVED = "being removed"


class About(Part):
    """What is known of a version."""

    version: str = Field(description="Its name: the digest of its SHA256SUMS.")
    model_digest: str = Field(description="SHA-256 of its `model.keras`.")
    accuracy: float | None = Field(None, description="What it was evaluated at; None if that is not known.")


class Promotion(Part):
    """A version's becoming the latest."""

    about: About = Field(description="The version.")
    time: str = Field(description="When, ISO 8601 in UTC.")
    by: Literal["pipeline", "person", "rollback"] = Field(description="Who made it the latest; `rollback`: a person.")


class Note(Part):
    """Why and when something was done."""

    reason: str = Field(description="Why, in a person's words.")
    time: str = Field(description="When, ISO 8601 in UTC.")
    model_digest: str = Field("", description="SHA-256 of the `model.keras` that it is about; empty for none.")


class Removal(Part):
    """That a version is being removed: until it is gone, nothing may make it the latest, nor publish it."""

    token: str = Field(description="Who removes it, told apart from all others.")
    time: AwareDatetime = Field(description="Since when, ISO 8601 in UTC.")


class Signature(Part):
    """A signature of all else in the file that it stands in, and of the model's name."""

    key: str = Field(description="Which key made it: the beginning of the SHA-256 of the public key.")
    value: str = Field(description="The Ed25519 signature, in base64.")


class Latest(Record):
    """Which version of a model is the latest."""

    FILE: ClassVar[str] = "latest.json"
    REMEDY: ClassVar[str] = "restore an earlier generation of it"

    version: str | None = Field(None, description="The latest version; None before the first promotion.")
    history: tuple[Promotion, ...] = Field((), description="All promotions, the newest last: that of `version`.")
    withdrawn: Mapping[str, Note] = Field({}, description="Versions that no pipeline may promote again.")
    hold: Note | None = Field(None, description="Why the latest must not change; None if it may.")
    removing: Annotated[Mapping[str, Removal], _LEFT_OUT_IF_EMPTY] = Field(
        {}, description="Versions that are being removed."
    )
    removed: Annotated[int, _LEFT_OUT_IF_EMPTY] = Field(
        0, description="How many removals ended so far: by it no two states of this file are alike."
    )
    counter: Annotated[int, _LEFT_OUT_IF_EMPTY] = Field(
        0, ge=0, description="How many signed changes there were so far; 0 if it never was signed."
    )
    signature: Sparse[Signature] = Field(None, description="The signature; None if it is not signed.")

    @model_validator(mode="after")
    def _agrees(self) -> Self:
        if self.version != (self.history[-1].about.version if self.history else None):
            raise ValueError("version is not the last one of history")
        return self

    @property
    def model_digest(self) -> str | None:
        """SHA-256 of the latest version's `model.keras`; None before the first promotion."""
        return self.history[-1].about.model_digest if self.history else None

    @property
    def candidates(self) -> list[About]:
        """The versions that were ever promoted, not withdrawn and aren't being removed, each once, the newest promotion first."""
        about = [entry.about for entry in self.history]
        found = {one.version: one for one in about if not self.withdraws(one) and one.version not in self.removing}
        newest = [entry.about.version for entry in reversed(self.history)]
        return [found[version] for version in dict.fromkeys(newest) if version in found]

    def withdraws(self, about: About) -> bool:
        """Tells whether a version's content was withdrawn: itself, or another one with the same model."""
        digests = {note.model_digest for note in self.withdrawn.values()}
        return about.version in self.withdrawn or about.model_digest in digests

    def state(self, version: str, about: About | None) -> State:
        """Returns what became of a version.

        Args:
            version: Its name.
            about: What its records say; None where they are damaged.
        """
        if version in self.removing:
            return State.BEING_REMOVED
        if version == self.version:
            return State.LATEST
        if version in self.withdrawn or (about and self.withdraws(about)):
            return State.WITHDRAWN
        promoted = any(entry.about.version == version for entry in self.history)
        return State.PROMOTED_EARLIER if promoted else State.NOT_PROMOTED

    def promoting(self, about: About, by: Literal["pipeline", "person", "rollback"]) -> Self:
        """Returns what this file says once a version has been made the latest."""
        promotion = Promotion(about=about, time=utc_now(), by=by)
        return self.model_copy(update={"version": about.version, "history": (*self.history, promotion)})
