"""The run record: each step's own account of how it ended."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import ClassVar, Generic, Literal, TypeVar

from pydantic import Field

from graft.components.common.artifacts.outcomes.last_step_results import DeployResult, MirrorResult
from graft.components.common.artifacts.outcomes.results import (
    UNCHANGED,
    EvaluateResult,
    ExportResult,
    GateResult,
    IngestResult,
    NotifyResult,
    ResolveResult,
    Result,
    TrainResult,
)
from graft.components.common.artifacts.record import Part, Record, utc_now
from graft.components.common.steps import Component, LastStep

StepStatus = Literal["succeeded", "failed", "cancelled"]
"""How a step ended."""

ResultT_co = TypeVar("ResultT_co", bound=Result, covariant=True)


class StepRecord(Record, Generic[ResultT_co]):
    """How a step of a run ended."""

    REMEDY: ClassVar[str] = "remove it"

    step: Component = Field(description="The step's name.")
    status: StepStatus = Field(description="Whether it did what it was asked to, or was told to end before.")
    error: str | None = Field(description="The class of the error that ended it; None if it succeeded.")
    summary: str = Field(
        description="For people: what came out in one line, or why it failed, in a line for each of several reasons."
    )
    started: str = Field(description="When it began, ISO 8601 in UTC.")
    seconds: float = Field(description="Seconds that it took.")
    outcome: ResultT_co | None = Field(description="What it returned; None if it failed, but for a gate that decided.")


class Cancelled(Record):
    """The note that a run was cancelled."""

    REMEDY: ClassVar[str] = "remove it"

    cancelled: str = Field(default_factory=utc_now, description="When, ISO 8601 in UTC.")


STEP_RECORDS: Mapping[Component, type[StepRecord[Result]]] = MappingProxyType(
    {
        "resolve": StepRecord[ResolveResult],
        "ingest": StepRecord[IngestResult],
        "train": StepRecord[TrainResult],
        "evaluate": StepRecord[EvaluateResult],
        "gate": StepRecord[GateResult],
        "export": StepRecord[ExportResult],
        "deploy": StepRecord[DeployResult],
        "mirror": StepRecord[MirrorResult],
        "notify": StepRecord[NotifyResult],
    }
)
"""The class of each step's record."""


class RunRecords(Part):
    """The records of a run's steps; None for those that have not ended."""

    resolve: StepRecord[ResolveResult] | None = None
    ingest: StepRecord[IngestResult] | None = None
    train: StepRecord[TrainResult] | None = None
    evaluate: StepRecord[EvaluateResult] | None = None
    gate: StepRecord[GateResult] | None = None
    export: StepRecord[ExportResult] | None = None
    deploy: StepRecord[DeployResult] | None = None
    mirror: StepRecord[MirrorResult] | None = None

    def by_step(self) -> dict[str, StepRecord[Result]]:
        """Returns the records of the steps that have ended, in the order of the pipeline."""
        return {step: record for step, record in self if record is not None}

    @property
    def last_steps(self) -> tuple[LastStep, ...]:
        """The steps that the run has after export, as resolve noted."""
        resolved = outcome_of(self.resolve)
        return resolved.last_steps if resolved else ()

    @property
    def unchanged(self) -> bool:
        """Whether resolve found nothing new."""
        resolved = outcome_of(self.resolve)
        return resolved is not None and resolved.digest == UNCHANGED


def outcome_of(record: StepRecord[ResultT_co] | None) -> ResultT_co | None:
    """Returns what a step returned; None if it has not ended, or failed without an outcome."""
    return record.outcome if record else None
