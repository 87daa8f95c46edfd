"""The Export artifact: a version of a model, in every format that it was exported to."""

from collections.abc import Mapping
from typing import ClassVar

from pydantic import Field

from graft.components.common.artifacts.artifact import Artifact
from graft.components.common.artifacts.record import Part, Sparse


class ParityFigures(Part):
    """How a format compares with the model that was evaluated."""

    images: int = Field(description="Images that were compared.")
    max_difference: float | None = Field(description="Largest difference of a probability; None for NaN.")
    label_agreement: float = Field(description="Share of the images that both put into the same class.")
    latency_ms: float = Field(description="Median milliseconds for one image on the CPU.")


class ParityLimits(Part):
    """How close a format must come."""

    max_difference: float | None = Field(description="Largest difference allowed; None if labels alone count.")
    label_agreement: float = Field(description="Least share of the images that must be put into the same class.")


class ExportedFormat(Part):
    """A format that a model was exported to."""

    bytes: int = Field(description="Size of its file or files.")
    parity: ParityFigures = Field(description="How it compares with what was evaluated.")
    limits: ParityLimits = Field(description="How close it had to come.")
    quantization: Sparse[str] = Field(None, description="How it was quantised, if there was a choice.")
    tried: Sparse[Mapping[str, ParityFigures]] = Field(None, description="What was tried.")


class Export(Artifact):
    """An exported model. SHA256SUMS, which is written after it, marks the Export as finished."""

    FILE: ClassVar[str] = "export.json"
    LINEAGE: ClassVar[str] = "lineage"
    """Folder in the Export that holds every record, the index, predictions and report."""
    REMEDY: ClassVar[str] = "export the model again"

    classes: tuple[str, ...] = Field(description="The class names in label order.")
    formats: Mapping[str, ExportedFormat] = Field(description="What it was exported to, by path in the Export.")
