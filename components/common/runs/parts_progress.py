"""How far the parts of a step are, as their records in the store tell."""

import dataclasses
from collections.abc import Sequence
from datetime import datetime

from graft.components.common.artifacts.outcomes.part_records import PartRecord
from graft.components.common.artifacts.outcomes.run_record import RunRecords
from graft.components.common.runs.parts import read_parts, read_plan
from graft.components.common.runs.run import Run
from graft.components.common.steps import FANNED_STEPS, STEPS, FannedStep

_WORK = {"ingest": "checking images", "train": "computing features", "evaluate": "predicting"}


@dataclasses.dataclass(frozen=True)
class PartsProgress:
    """How far the parts of a step are.

    Attributes:
        step: The step.
        parts: How many parts there are.
        work: Images to be worked on.
        records: What the parts that have begun have on record.
    """

    step: FannedStep
    parts: int
    work: int
    records: Sequence[PartRecord]

    @property
    def done(self) -> int:
        """Images of which the store has the results."""
        return min(self.work, sum(record.done for record in self.records))

    @property
    def failed(self) -> list[PartRecord]:
        """The parts that gave up. Their work is left to the step."""
        return [record for record in self.records if record.status == "failed"]

    @property
    def over(self) -> bool:
        """Whether all parts have ended, so that what is left is the step's."""
        return sum(record.status != "running" for record in self.records) >= self.parts

    @property
    def heard(self) -> datetime | None:
        """When a part last wrote its record; None if none did yet."""
        return max((datetime.fromisoformat(record.updated) for record in self.records), default=None)

    @property
    def doing(self) -> str:
        """What the parts do, in words."""
        return f"{_WORK[self.step]} in {self.parts} parts"

    @property
    def text(self) -> str:
        """How far they are, for people."""
        succeeded = sum(record.status == "succeeded" for record in self.records)
        failed = f", {len(self.failed)} failed" if self.failed else ""
        return f"{self.done:,} of {self.work:,} images, {succeeded} of {self.parts} parts done{failed}"

    @property
    def lost(self) -> str:
        """Which parts of a run that is over did not live to tell how they ended; empty if none."""
        begun = {record.number: record for record in self.records}
        told = []
        for number in range(1, self.parts + 1):
            record = begun.get(number)
            if record is None:
                told.append(f"part {number} of {self.parts} left no record")
            elif record.status == "running":
                done = f"{record.done:,} of its {record.planned:,} images"
                told.append(f"part {number} of {self.parts} was killed, or ran out of memory or time, after {done}")
        more = f", and {len(told) - 1} more" if len(told) > 1 else ""
        return f"{told[0]}{more}: see its log" if told else ""


def parts_of(run: Run, step: FannedStep) -> PartsProgress | None:
    """Returns how far the parts of a step are; None for a step that does its work alone.

    Raises:
        DamagedRecordError: The plan, or a part's record, is damaged.
        GraftError: The store can't be read.
    """
    plan = read_plan(run, step)
    if plan is None or plan.parts == 1:
        return None
    records = [record for record in read_parts(run, step) if record.of == plan.parts]
    return PartsProgress(step, plan.parts, plan.work, records)


def parts_under_way(run: Run, records: RunRecords) -> PartsProgress | None:
    """Returns how far the parts are of the step that a run has come to; None if that has none, or a step before it failed.

    Args:
        run: The run, with a store.
        records: Its records.

    Raises:
        DamagedRecordError: The plan, or a part's record, is damaged.
        GraftError: The store can't be read.
    """
    ended = records.by_step()
    if records.unchanged or any(record.status != "succeeded" for record in ended.values()):
        return None
    next_step = next((step for step in STEPS if step not in ended), None)
    return next((parts_of(run, step) for step in FANNED_STEPS if step == next_step), None)


def lost_parts(run: Run, records: RunRecords) -> dict[str, str]:
    """Returns why a run that is over got no further than the parts of a step, by that step; nothing if they are not why.

    Raises:
        DamagedRecordError: The plan, or a part's record, is damaged.
        GraftError: The store can't be read.
    """
    parts = parts_under_way(run, records)
    return {parts.step: parts.lost} if parts and parts.lost else {}
