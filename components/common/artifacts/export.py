"""The Export artifact: a version of a model, in every format that it was exported to."""

from collections.abc import Mapping
from typing import ClassVar

from pydantic import Field

from graft.components.common.artifacts.records import Artifact
from graft.components.common.artifacts.schema import Part, is_none


class ParityFigures(Part):
    """How a format compares with the model that was evaluated."""

    images: int
    """Images that were compared."""
    max_difference: float | None
    """Largest difference between two probabilities; None if the format gave one that is no number."""
    label_agreement: float
    """Share of the images that both put into the same class."""
    latency_ms: float
    """Median milliseconds for one image on the CPU."""


class ParityLimits(Part):
    """How close a format must come."""

    max_difference: float | None
    """Largest difference of a probability that is allowed; None if labels alone count."""
    label_agreement: float
    """Least share of the images that must be put into the same class."""


class ExportedFormat(Part):
    """A format that a model was exported to."""

    bytes: int
    """Size of its file or files."""
    parity: ParityFigures
    """How it compares with what was evaluated."""
    limits: ParityLimits
    """How close it had to come."""
    quantization: str | None = Field(default=None, exclude_if=is_none)
    """How it was quantised; None if there was a choice of one."""
    tried: Mapping[str, ParityFigures] | None = Field(default=None, exclude_if=is_none)
    """How every quantisation compares that was tried; None if there was a choice of one."""


class Export(Artifact):
    """An exported model. SHA256SUMS, which is written after it, marks the Export as finished."""

    FILE: ClassVar[str] = "export.json"
    LINEAGE: ClassVar[str] = "lineage"
    """Folder in the Export that holds every record, the index, predictions and report."""
    REMEDY: ClassVar[str] = "export the model again"

    classes: tuple[str, ...]
    """The class names in label order."""
    formats: Mapping[str, ExportedFormat]
    """What it was exported to, by path in the Export."""
