"""What a run's records in the store tell of its steps. Where the steps' parts are tasks too, a backend may tell less, and of old."""

import dataclasses
import logging
from collections.abc import Mapping
from datetime import datetime, timedelta

from graft.components.common.artifacts.outcomes.results import Result
from graft.components.common.artifacts.outcomes.run_record import RunRecords, StepRecord
from graft.components.common.errors import GraftError
from graft.components.common.runs.parts_progress import PartsProgress, parts_of, parts_under_way
from graft.components.common.runs.run import Run
from graft.components.common.runs.step_record import read_notified, read_run, was_cancelled
from graft.components.common.steps import FANNED_STEPS, STEPS
from graft.pipelines.cluster.backend import ClusterRun, ClusterStep, State

log = logging.getLogger("graft")


@dataclasses.dataclass(frozen=True)
class Kept:
    """What the store keeps of a run.

    Attributes:
        records: The records of its steps.
        cancelled: Whether it was noted as cancelled since it was last begun.
        parts: How far the parts are of the step that it has come to; None if that has none.
        had_parts: Whether a step has, or had, parts: Kubeflow's tasks may then be those of a while ago.
        notified: Whether its exit task has left a record.
    """

    records: RunRecords = RunRecords()  # noqa: RUF009 (frozen)
    cancelled: bool = False
    parts: PartsProgress | None = None
    had_parts: bool = False
    notified: bool = False


def read_kept(run: ClusterRun) -> Kept:
    """Returns what the store keeps of a run; nothing, and the log says why, where that can't be read."""
    if not run.store:
        return Kept()
    kept = Run(run.store, run.name, run.run)
    try:
        records = read_run(kept)
        cancelled = was_cancelled(kept, records, run.began)
        notified = run.state.final and read_notified(kept) is not None
        parts = parts_under_way(kept, records)
        had_parts = bool(parts) or any(parts_of(kept, step) for step in FANNED_STEPS if step in records.by_step())
        return Kept(records, cancelled, parts, had_parts, notified)
    except GraftError as error:
        log.warning("the run record can't be read, so this is what the backend says: %s", error)
        return Kept()


def as_recorded(run: ClusterRun, kept: Kept) -> ClusterRun:
    """Returns a run with the steps that have ended by their records, or of which parts have begun, as these tell of them.

    Args:
        run: The run, with all steps.
        kept: What the store keeps of it.
    """
    steps, over = dict(run.steps), run.state.final
    ended = kept.records.by_step()
    for step, record in ended.items():
        if record.status == "succeeded" and steps[step].state is not State.SUCCEEDED:
            steps[step] = _ended(record)
    if kept.had_parts and all(record.status == "succeeded" for record in ended.values()):
        step = next((step for step in steps if step not in ended and step != "notify"), "")
        if step and (kept.parts or steps[step].state in (State.PENDING, State.NOT_RUN)):
            steps[step] = _came_to(steps, step, kept.parts, over=over)
    if kept.notified and steps["notify"].state not in (State.SUCCEEDED, State.FAILED):
        steps["notify"] = ClusterStep(State.SUCCEEDED)
    return dataclasses.replace(run, steps=steps)


def _came_to(steps: Mapping[str, ClusterStep], step: str, parts: PartsProgress | None, *, over: bool) -> ClusterStep:
    """Returns the step that a run has come to, or got no further than."""
    seen = steps[step]
    if seen.state in (State.FAILED, State.CANCELLED):
        return seen
    before = max((other.ended for other in steps.values() if other.ended), default=None)
    began = (parts and parts.heard) or seen.began or before
    return ClusterStep(State.FAILED if over else State.RUNNING, began, reason=parts.lost if parts and over else "")


class Watched:
    """What the store tells of a run while it is watched, once a step of it has parts: until then its backend tells all.

    Attributes:
        parts: How far the parts are of the step that the run has come to; None if that has none.
        ended: How far the parts had come of the steps that have ended since the look before.
    """

    def __init__(self) -> None:
        self.parts: PartsProgress | None = None
        self.ended: list[PartsProgress] = []
        self._records, self._has_parts = RunRecords(), False

    def look(self, run: ClusterRun) -> ClusterRun:
        """Returns a run as the store tells of it now.

        Args:
            run: The run, with a store and all steps.

        Raises:
            GraftError: The store can't be read.
        """
        kept = Run(run.store, run.name, run.run)
        if not self._has_parts:
            going = [step for step in FANNED_STEPS if not run.steps[step].state.final]
            asked = going[:1] if run.steps["resolve"].state is State.SUCCEEDED else []
            self._has_parts = any(parts_of(kept, step) for step in asked)
        if not self._has_parts:
            return run
        known = self._records.by_step()
        for step in STEPS:  # a record is read once; one of a failure may be that of an attempt before
            if step not in self._records.by_step():
                told = read_run(kept, [step]).by_step()
                if step not in told or told[step].status != "succeeded":
                    break
                self._records = self._records.model_copy(update=told)
        new = [step for step in FANNED_STEPS if step in self._records.by_step() and step not in known]
        self.ended = [parts for step in new if (parts := parts_of(kept, step))]
        self.parts = parts_under_way(kept, self._records)
        return as_recorded(run, Kept(self._records, parts=self.parts, had_parts=True))


def _ended(record: StepRecord[Result]) -> ClusterStep:
    began = datetime.fromisoformat(record.started)
    return ClusterStep(State.SUCCEEDED, began, began + timedelta(seconds=record.seconds))
