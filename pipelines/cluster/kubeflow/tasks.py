"""What the tasks of a run tell of its steps: Kubeflow has a dozen tasks a step, of which some lack a state or a name."""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from graft.components.common.steps import COMPONENTS, STEPS, Component, step_of
from graft.pipelines.cluster.backend import ClusterStep, State, all_steps, in_parts
from graft.pipelines.cluster.durations import length

STATES = {
    "PENDING": State.PENDING,
    "RUNNING": State.RUNNING,
    "SUCCEEDED": State.SUCCEEDED,
    "SKIPPED": State.NOT_RUN,
    "FAILED": State.FAILED,
    "CANCELING": State.CANCELLING,
    "CANCELED": State.CANCELLED,
    "PAUSED": State.RUNNING,
}
_ATTEMPT = re.compile(r"executor\(\d+\)")  # what is named after the step is its DAG
_DRIVER = "-driver"


def steps_of(tasks: Sequence[Any], limit: Callable[[Component], int], *, over: bool) -> Mapping[str, ClusterStep]:
    """Returns the steps of a run.

    Args:
        tasks: The run's tasks (V2beta1PipelineTaskDetail).
        limit: Returns the seconds that an attempt of a step may take.
        over: Whether the run is over.
    """
    named = {task.display_name: task for task in tasks if task.display_name}
    attempts = [task for task in tasks if task.display_name and _ATTEMPT.fullmatch(task.display_name)]
    begun: dict[str, ClusterStep] = {}
    for step in COMPONENTS:
        task, its_driver = named.get(step), named.get(f"{step}{_DRIVER}")
        if task and task.state:
            begun[step] = _step(task, _attempts_of(task, attempts), limit(step))
        elif its_driver and its_driver.state and not over:
            begun[step] = ClusterStep(State.STARTING, moment(its_driver.start_time))
        elif (parts := _parts(step, tasks, attempts)) and not over:
            begun[step] = in_parts(parts)
    ended = [task.display_name for task in tasks if task.display_name and task.state == "FAILED"]
    drivers = [name for name in ended if name.endswith(_DRIVER)]
    first = next((step for step in STEPS if step not in begun), None)
    for driver in drivers:  # of a step, or of what it is part of
        name = step_of(driver.removesuffix(_DRIVER))
        stopped = name if name in COMPONENTS else first
        if over and stopped:
            begun[stopped] = ClusterStep(State.FAILED, reason=f"Kubeflow could not start it: {driver} failed")
    return all_steps(begun, over=over)


def _parts(step: Component, tasks: Sequence[Any], attempts: Sequence[Any]) -> list[ClusterStep]:
    """Returns the tasks that plan a step's work or do a part of it, and their attempts: all parts are of one name, and so are these."""
    found = [task for task in tasks if task.display_name and task.display_name != step and task.state]
    found = [task for task in found if step_of(task.display_name.removesuffix(_DRIVER)) == step]
    began = min((task.start_time for task in found), default=None)
    made = [attempt for attempt in attempts if began and attempt.start_time >= began]
    return [ClusterStep(STATES.get(task.state, State.PENDING), moment(task.start_time)) for task in made or found]


def moment(time: datetime | None) -> datetime | None:
    """Returns a time; None for the one in 1970, by which Kubeflow says that there is none yet."""
    return time if time and time.year > 1970 else None


def _attempts_of(step: Any, attempts: Iterable[Any]) -> list[Any]:
    """Returns the attempts of a step, which carry no step's name: those that began while it ran, and no other step then did."""
    began, ended = moment(step.start_time), moment(step.end_time)
    return sorted(
        (
            attempt
            for attempt in attempts
            if began and began <= attempt.start_time and (not ended or attempt.start_time < ended)
        ),
        key=lambda attempt: attempt.start_time,
    )


def _step(task: Any, attempts: Sequence[Any], limit: int) -> ClusterStep:
    state, last = STATES.get(task.state, State.PENDING), attempts[-1] if attempts else task
    began, ended = moment(last.start_time), moment(last.end_time)
    if state is State.RUNNING and last.state == "PENDING":
        state = State.STARTING
    reason = ""
    if state is State.FAILED and began and ended and (ended - began).total_seconds() >= limit:
        ran = any(entry.state == "RUNNING" for entry in last.state_history or [])
        what = "it was stopped" if ran else "its pod did not start (an image, a secret or a node may be missing)"
        reason = f"{what} when its time limit of {length(limit)} had passed"
    return ClusterStep(state, began, moment(task.end_time), reason)
