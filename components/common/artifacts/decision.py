"""The Decision artifact: whether a model may be published, and every rule that decided it."""

from typing import ClassVar

from pydantic import Field

from graft.components.common.artifacts.artifact import Artifact
from graft.components.common.artifacts.record import Part


class Rule(Part):
    """A rule of the gate and how it went."""

    rule: str = Field(description="The rule's name, as in the settings.")
    threshold: int | float = Field(description="What was asked.")
    value: int | float | None = Field(description="What the evaluation found; None where there was nothing to judge.")
    passed: bool = Field(description="Whether the value passes; None does only without a baseline.")
    sentence: str = Field(description="The same in words.")


class Decision(Artifact):
    """What the gate decided about a model."""

    FILE: ClassVar[str] = "decision.json"
    REMEDY: ClassVar[str] = "judge the evaluation again"

    passed: bool = Field(description="Whether every rule passed.")
    rules: tuple[Rule, ...] = Field(description="Every rule that was switched on.")
    model_digest: str = Field(description="SHA-256 of the model's `model.keras`.")
    dataset_digest: str = Field(description="Content digest of the dataset that it was evaluated on.")
    split: str = Field(description="The split that it was evaluated on.")
