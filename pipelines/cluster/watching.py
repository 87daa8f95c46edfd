"""Watching a run to its end."""

import dataclasses
import time
from collections.abc import Callable, Iterator

from graft.components.common.errors import GraftError
from graft.components.common.escaping import escaped
from graft.components.common.runs.run import Run
from graft.components.common.runs.step_record import read_run
from graft.components.common.services.api_client import LostContactError
from graft.components.common.steps import ALL_STEPS, LastStep
from graft.pipelines.cluster.backend import Backend, ClusterRun, State, all_steps
from graft.pipelines.cluster.endings import silent_step
from graft.pipelines.cluster.recorded import Watched
from graft.pipelines.console.board import Board
from graft.pipelines.console.board import State as Shown
from graft.pipelines.console.console import shown
from graft.pipelines.console.parts import PartsShown

POLL_SECONDS = 5.0
_SHOWN = {
    State.PENDING: Shown.WAITING,
    State.STARTING: Shown.RUNNING,
    State.RUNNING: Shown.RUNNING,
    State.CANCELLING: Shown.RUNNING,
    State.SUCCEEDED: Shown.DONE,
    State.NOT_RUN: Shown.SKIPPED,
    State.FAILED: Shown.FAILED,
    State.CANCELLED: Shown.CANCELLED,
}


def watch(backend: Backend, run: str) -> ClusterRun:
    """Shows the state of a run's steps until it is over: a line a step on a terminal, else a line for every change.

    That the backend can't be reached meanwhile says nothing about the run: it is asked again until it answers.

    Returns:
        The run, over.

    Raises:
        GraftError: The backend refuses to tell.
    """
    board, readable, told = Board(), True, ""
    last_steps: tuple[LastStep, ...] = ()
    with shown(board) as view:
        store, parts = Watched(), PartsShown(board, view.say)
        for backends in _observe(backend, run, view.say):
            seen = dataclasses.replace(backends, steps=all_steps(backends.steps, last_steps, over=backends.state.final))
            if readable and seen.store:
                try:
                    seen = store.look(seen)
                except GraftError:  # which `tell` says, at the end
                    readable = False
            steps = seen.steps
            states = {step: steps[step].state for step in ALL_STEPS if step in steps}
            board.add(states)
            ended = [step for step, state in states.items() if state.final and not board.rows()[step].state.final]
            summaries: dict[str, str] = {}
            if readable and ended and seen.store:
                try:
                    records = read_run(Run(seen.store, seen.name, seen.run), ended)
                    summaries = {step: record.summary for step, record in records.by_step().items()}
                    last_steps = last_steps or records.last_steps
                except GraftError:
                    readable = False
            for step, state in states.items():
                before = board.rows()[step].state
                if _SHOWN[state] is not before and (state is not State.NOT_RUN or before is Shown.WAITING):
                    board.put(step, _SHOWN[state], summaries.get(step, ""))
            for ended_parts in store.ended:
                parts.warn(ended_parts)
            if store.parts and not seen.state.final:
                parts.show(store.parts)
            if (silent := silent_step(seen)) != told:
                told = silent
                if told:
                    view.say(f"WARNING {told}")
    return backends


def _observe(backend: Backend, run: str, warn: Callable[[str], None]) -> Iterator[ClusterRun]:
    while True:
        try:
            seen = backend.run(run)
        except LostContactError as error:
            warn(escaped(f"WARNING {error} The run goes on; trying again."))
        else:
            yield seen
            if seen.state.final:
                return
        time.sleep(POLL_SECONDS)
