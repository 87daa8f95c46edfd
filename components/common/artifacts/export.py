"""The Export artifact: a version of a model, in every format."""

import re
from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import ClassVar

from pydantic import Field, field_validator

from graft.components.common.artifacts.artifact import Artifact
from graft.components.common.artifacts.record import Part, Sparse
from graft.components.common.errors import GraftError

_BEFORE = "saved_model"
_SERVED = re.compile(r"serving/\w[\w.-]*/1", re.ASCII)


class ParityFigures(Part):
    """How a format compares with the model that was evaluated."""

    images: int = Field(description="Images that were compared.")
    max_difference: float | None = Field(description="Largest difference of a probability; None for NaN.")
    label_agreement: float = Field(description="Share of the images that both put into the same class.")
    confident_agreement: Sparse[float] = Field(
        None,
        description="Share of the images for which both are confident or both are not; left out where the format has no such output.",
    )
    latency_ms: float = Field(description="Median milliseconds for one image on the CPU.")


class ParityLimits(Part):
    """How close a format must come."""

    max_difference: float | None = Field(description="Largest difference allowed; None if labels alone count.")
    label_agreement: float = Field(
        description="Least share of the images that must be put into the same class, and for which both must be confident alike."
    )


class ExportedFormat(Part):
    """A format that a model was exported to."""

    bytes: int = Field(description="Size of its file or files.")
    parity: ParityFigures = Field(description="How it compares with what was evaluated.")
    limits: ParityLimits = Field(description="How close it had to come.")
    quantization: Sparse[str] = Field(None, description="How it was quantised, if there was a choice.")
    tried: Sparse[Mapping[str, ParityFigures]] = Field(None, description="What was tried.")


class Served(Part):
    """How a server answered that was given the SavedModel, over HTTP."""

    by: str = Field(description="The server's name and version, as it says them, or else its program.")
    parity: ParityFigures = Field(description="How its answers compare with what was evaluated.")
    refused: tuple[str, ...] = Field(description="What it answered with an error, and went on.")


class Export(Artifact):
    """An exported model. SHA256SUMS, which is written after it, marks the Export as finished."""

    FILE: ClassVar[str] = "export.json"
    LINEAGE: ClassVar[str] = "lineage"
    """Folder in the Export that holds every record, the index, predictions and report."""
    SERVING: ClassVar[str] = "serving"
    """Folder in the Export that holds the base path of servers and, beside it, what they and their clients are told."""
    REQUEST: ClassVar[str] = "serving/request.json"
    """An example of a request to TensorFlow Serving."""
    RESPONSE: ClassVar[str] = "serving/response.json"
    """The answer to it, as Graft's own server gave it when the model was exported."""
    BATCHING: ClassVar[str] = "serving/batching.conf"
    """Parameters of TensorFlow Serving's batching."""
    REMEDY: ClassVar[str] = "export the model again"

    classes: tuple[str, ...] = Field(description="The class names in label order.")
    formats: Mapping[str, ExportedFormat] = Field(description="What it was exported to, by path in the Export.")
    served: tuple[Served, ...] = Field(
        (), description="The servers that it was tried with.", exclude_if=lambda value: not value
    )

    @field_validator("formats")
    @classmethod
    def _has_one_saved_model(cls, formats: Mapping[str, ExportedFormat]) -> Mapping[str, ExportedFormat]:
        if len(found := [path for path in formats if _is_saved_model(path)]) != 1:
            raise ValueError(f"{len(found)} SavedModels are named, not one")
        return formats

    @property
    def saved_model(self) -> str:
        """The SavedModel's path in the Export: `serving/<name>/1`, or `saved_model` in an Export of before there was that."""
        return next(path for path in self.formats if _is_saved_model(path))

    @property
    def base_path(self) -> str | None:
        """The folder that servers are given, whose subfolders are versions: `serving/<name>`; None of an Export of before."""
        return None if self.saved_model == _BEFORE else str(PurePosixPath(self.saved_model).parent)


def saved_model_path(name: str) -> str:
    """Returns where in an Export the SavedModel of a model of this name lies, as servers take it: version 1 below their base path.

    Raises:
        GraftError: The name can't be that of a folder there.
    """
    path = f"{Export.SERVING}/{name}/1"
    beside = [PurePosixPath(file).name for file in (Export.REQUEST, Export.RESPONSE, Export.BATCHING)]
    if not _is_saved_model(path) or name.lower() in beside:
        raise GraftError(
            f"{name!r} can't be a model's name: that becomes a folder beside {', '.join(beside)}. Use another one."
        )
    return path


def _is_saved_model(path: str) -> bool:
    return path == _BEFORE or _SERVED.fullmatch(path) is not None
