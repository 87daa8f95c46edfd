"""A backend, which runs pipelines: what Kubeflow and Vertex have in common, as far as Graft uses them."""

import dataclasses
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Protocol

from graft.components.common.parameters import Parameters
from graft.components.common.steps import COMPONENTS, LAST_STEPS, LastStep
from graft.pipelines.cluster.triggers import Trigger


class State(StrEnum):
    """The state of a run or of one of its steps; a step is starting while its pod does not run yet."""

    PENDING = "pending"
    STARTING = "starting"
    RUNNING = "running"
    CANCELLING = "cancelling"
    SUCCEEDED = "succeeded"
    NOT_RUN = "not run"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def final(self) -> bool:
        """Whether it can't change any more."""
        return self not in (State.PENDING, State.STARTING, State.RUNNING, State.CANCELLING)


@dataclasses.dataclass(frozen=True)
class Package:
    """A compiled pipeline's YAML file, and its name, which is the same for the same content."""

    path: Path
    name: str


@dataclasses.dataclass(frozen=True)
class ClusterStep:
    """A step of a run, as its backend sees it.

    Attributes:
        state: Its state.
        began: When its last attempt began; None if unknown.
        ended: When it ended; None if unknown.
        reason: Why it failed, as far as the backend tells; else empty.
    """

    state: State = State.PENDING
    began: datetime | None = None
    ended: datetime | None = None
    reason: str = ""


@dataclasses.dataclass(frozen=True)
class ClusterRun:
    """A run, as its backend sees it.

    Attributes:
        run: Its identifier.
        link: Address of its page; empty if unknown.
        state: Its state.
        began: When it was started, or last tried again; None if unknown.
        steps: Each step and the exit task; of the last steps, those that have begun.
        store: Path or URI of the store that it was started with.
        name: The model's name that it was started with.
        root: Path or URI of the folder of its artifacts; empty if unknown.
        look: Command that shows what its pods wait for or ended of.
        logs: Command that shows what its pods printed.
        error: What the backend says went wrong; empty if nothing did.
    """

    run: str
    link: str
    state: State
    began: datetime | None
    steps: Mapping[str, ClusterStep]
    store: str
    name: str
    root: str
    look: str
    logs: str
    error: str = ""


@dataclasses.dataclass(frozen=True)
class Schedule:
    """A schedule, as its backend sees it.

    Attributes:
        name: The user's name for it.
        identifier: The backend's.
        trigger: When it fires, in words.
        active: Whether it fires.
        created: When it was made, as ISO 8601 text.
        content: Digest of pipeline, parameters and trigger, by which an unchanged schedule is known; empty if unknown.
    """

    name: str
    identifier: str
    trigger: str
    active: bool
    created: str
    content: str = ""


class Backend(Protocol):
    """Where pipelines run. Every method raises GraftError with one sentence, and LostContactError where it can't be reached."""

    def check_access(self) -> str:
        """Makes one request, as whoever the user is, and returns where it went."""

    def submit(self, package: Package, parameters: Parameters, title: str) -> ClusterRun:
        """Starts a run of a pipeline, which is uploaded if it isn't there.

        Args:
            package: The compiled pipeline.
            parameters: Its parameters.
            title: Name of the run. No other run has it: if an answer is lost, it tells whether the run was started.
        """

    def run(self, run: str) -> ClusterRun:
        """Returns the run with an identifier."""

    def cancel(self, run: str) -> None:
        """Asks for the run with an identifier to be stopped."""

    def schedules(self) -> list[Schedule]:
        """Returns all schedules that Graft made, the newest first."""

    def create_schedule(
        self, name: str, package: Package, parameters: Parameters, trigger: Trigger, content: str
    ) -> Schedule:
        """Makes a schedule, whatever others of the same name there are.

        Args:
            name: The user's name for it.
            package: The compiled pipeline.
            parameters: Its parameters.
            trigger: When it fires.
            content: Digest of all that, which is kept with the schedule.
        """

    def set_active(self, schedule: Schedule, active: bool) -> None:
        """Pauses or resumes a schedule. Of the runs missed while it was paused Kubeflow starts one at once, Vertex none."""

    def delete_schedule(self, schedule: Schedule) -> None:
        """Deletes a schedule; one that is gone already is fine."""

    def run_now(self, schedule: Schedule, title: str) -> ClusterRun:
        """Starts a run as the schedule would; the title is as in `submit`."""


def all_steps(
    begun: Mapping[str, ClusterStep], last_steps: Collection[LastStep] = (), *, over: bool
) -> dict[str, ClusterStep]:
    """Returns every step and the exit task: those that the backend has not begun are pending, or, once the run is over, not run.

    Args:
        begun: The tasks that the backend has begun, those that are no step among them.
        last_steps: The last steps that the run is known to have, besides those that have begun.
        over: Whether the run is over.
    """
    others = ClusterStep(State.NOT_RUN if over else State.PENDING)
    there = [step for step in COMPONENTS if step in begun or step in last_steps or step not in LAST_STEPS]
    return {step: begun.get(step, others) for step in there}


def in_parts(tasks: Sequence[ClusterStep]) -> ClusterStep:
    """Returns a step which itself has still to begin, while tasks that plan its work or do a part of it run, or have run.

    Args:
        tasks: Those tasks, at least one.
    """
    states = {task.state for task in tasks}
    starting = State.RUNNING not in states and states & {State.PENDING, State.STARTING}
    began = min((task.began for task in tasks if task.began), default=None)
    return ClusterStep(State.STARTING if starting else State.RUNNING, began)
