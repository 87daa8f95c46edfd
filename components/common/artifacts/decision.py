"""The Decision artifact: whether a model may be published, and every rule that decided it."""

from typing import ClassVar

from graft.components.common.artifacts.records import Artifact
from graft.components.common.artifacts.schema import Part


class Rule(Part):
    """A rule of the gate and how it went."""

    rule: str
    """The rule's name, as in the settings."""
    threshold: int | float
    """What was asked."""
    value: int | float | None
    """What the evaluation found; None where there was nothing to judge."""
    passed: bool
    """Whether the value is good enough; None never is, but where there is nothing to compare with."""
    sentence: str
    """The same in words."""


class Decision(Artifact):
    """What the gate decided about a model."""

    FILE: ClassVar[str] = "decision.json"
    REMEDY: ClassVar[str] = "judge the evaluation again"

    passed: bool
    """Whether every rule passed."""
    rules: tuple[Rule, ...]
    """Every rule that was switched on."""
    model_digest: str
    """SHA-256 of the model's `model.keras`."""
    dataset_digest: str
    """Content digest of the dataset that it was evaluated on."""
    split: str
    """The split that it was evaluated on."""
