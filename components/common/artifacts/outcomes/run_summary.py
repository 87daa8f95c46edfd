"""run.json: what a run on this machine leaves for programs, and `graft run --json` prints."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import ClassVar, Literal, Self

from pydantic import Field

from graft.components.common.artifacts.decision import Rule
from graft.components.common.artifacts.outcomes.results import Outcome
from graft.components.common.artifacts.outcomes.run_record import RunRecords, StepStatus, outcome_of
from graft.components.common.artifacts.record import Part


class StepSummary(Part):
    """How a step of the run ended."""

    status: StepStatus = Field(description="Whether it did what it was asked to, or was told to end before.")
    seconds: float = Field(description="Seconds that it took, with its parts.")
    summary: str = Field(
        description="For people: what came out in one line, or why it failed, in a line for each of several reasons."
    )
    output: str | None = Field(description="The directory of its artifact; None if it has none.")


class DatasetSummary(Part):
    """What ingest made."""

    digest: str = Field(description="Content digest of the Dataset.")
    counts: Mapping[str, Mapping[str, int]] = Field(description="Images by split and class.")


class GateSummary(Part):
    """What the gate decided."""

    passed: bool = Field(description="Whether every rule passed.")
    rules: tuple[Rule, ...] = Field(description="Every rule that was switched on.")


class RunSummary(Part):
    """How a run ended; what it did not get to is None."""

    FILE: ClassVar[str] = "run.json"

    status: Literal["succeeded", "failed"] = Field(description="Whether nobody has to look.")
    outcome: Outcome = Field(description="How it ended.")
    failure: str | None = Field(description="Why it failed; None if it didn't.")
    steps: Mapping[str, StepSummary] = Field(description="The steps that ended, by name, in their order.")
    dataset: DatasetSummary | None = Field(description="What ingest made.")
    accuracy: float | None = Field(description="Accuracy on the evaluated split.")
    gate: GateSummary | None = Field(description="What the gate decided.")
    export: str | None = Field(description="The Export's directory.")
    total_seconds: float = Field(description="Seconds in all.")

    @classmethod
    def of(
        cls,
        records: RunRecords,
        outcome: Outcome,
        failure: str | None,
        seconds: float,
        step_seconds: Mapping[str, float] = MappingProxyType({}),
    ) -> Self:
        """Sums up the records of a run's steps.

        Args:
            records: The steps' records.
            outcome: How the run ended.
            failure: Why it failed; None if it didn't.
            seconds: Seconds in all.
            step_seconds: Seconds that steps took with their parts, of which their records tell nothing.
        """
        ingested, evaluated = outcome_of(records.ingest), outcome_of(records.evaluate)
        decided, exported = outcome_of(records.gate), outcome_of(records.export)
        return cls(
            status="succeeded" if outcome.good else "failed",
            outcome=outcome,
            failure=failure,
            steps={
                step: StepSummary(
                    status=record.status,
                    seconds=step_seconds.get(step, record.seconds),
                    summary=record.summary,
                    output=getattr(record.outcome, "path", None),
                )
                for step, record in records.by_step().items()
            },
            dataset=ingested and DatasetSummary(digest=ingested.digest, counts=ingested.counts),
            accuracy=evaluated and evaluated.metrics.accuracy,
            gate=decided and GateSummary(passed=decided.passed, rules=decided.rules),
            export=exported and exported.path,
            total_seconds=seconds,
        )

    def text(self) -> str:
        """Returns it as it is written: JSON, a field a line."""
        return self.model_dump_json(indent=2) + "\n"
