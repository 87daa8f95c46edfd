"""Watching a run to its end, and saying how it ended."""

import dataclasses
import logging
import time
from collections.abc import Callable, Iterator

from rich.table import Table

from graft.components.common.artifacts.results import Outcome
from graft.components.common.artifacts.run_record import RunRecords
from graft.components.common.errors import GraftError
from graft.components.common.escaping import escaped
from graft.components.common.runs.step_record import Run, read_run, was_cancelled
from graft.components.common.runs.verdict import Verdict, judge
from graft.components.common.steps import STEPS
from graft.pipelines.cluster.backend import Backend, ClusterRun, LostContactError, State
from graft.pipelines.console.board import Board
from graft.pipelines.console.board import State as Shown
from graft.pipelines.console.console import shown

log = logging.getLogger("graft")

POLL_SECONDS = 5.0
_SHOWN = {
    State.PENDING: Shown.WAITING,
    State.RUNNING: Shown.RUNNING,
    State.CANCELLING: Shown.RUNNING,
    State.SUCCEEDED: Shown.DONE,
    State.SKIPPED: Shown.SKIPPED,
    State.FAILED: Shown.FAILED,
    State.CANCELLED: Shown.CANCELLED,
}
_STATED = {State.SUCCEEDED: Outcome.SUCCEEDED, State.CANCELLED: Outcome.CANCELLED}


def watch(backend: Backend, run: str) -> ClusterRun:
    """Shows the state of a run's steps until it is over: a line a step on a terminal, else a line for every change.

    That the backend can't be reached meanwhile says nothing about the run: it is asked again until it answers.

    Returns:
        The run, over.

    Raises:
        GraftError: The backend refuses to tell.
    """
    board, readable = Board(), True
    with shown(board) as view:
        for seen in _observe(backend, run, view.say):
            ended = [step for step, state in seen.steps.items() if state.final and not board.rows()[step].state.final]
            summaries: dict[str, str] = {}
            if readable and ended and seen.store:
                try:
                    records = read_run(Run(seen.store, seen.name, seen.run), ended)
                    summaries = {step: record.summary for step, record in records.by_step().items()}
                except GraftError:  # which `conclude` says, at the end
                    readable = False
            for step, state in seen.steps.items():
                if _SHOWN[state] is not board.rows()[step].state:
                    board.put(step, _SHOWN[state], summaries.get(step, ""))
    return seen


def _observe(backend: Backend, run: str, warn: Callable[[str], None]) -> Iterator[ClusterRun]:
    cancelling = False
    while True:
        try:
            seen = backend.run(run)
        except LostContactError as error:
            warn(escaped(f"WARNING {error} The run goes on; trying again."))
        else:
            cancelling |= seen.state is State.CANCELLING
            if cancelling and seen.state is State.FAILED:  # as Kubeflow calls a cancelled run in the end
                seen = dataclasses.replace(seen, state=State.CANCELLED)
            yield seen
            if seen.state.final:
                return
        time.sleep(POLL_SECONDS)


def steps_table(run: ClusterRun, summaries: dict[str, str] | None = None) -> Table:
    """Returns a table of a run's steps, their states, and what came out of them, if the run record's summaries are given."""
    table = Table("step", "state", "result", box=None, pad_edge=False)
    for step in STEPS:
        table.add_row(step, run.steps.get(step, "–"), (summaries or {}).get(step, ""))
    return table


def conclude(run: ClusterRun) -> tuple[Verdict, dict[str, str]]:
    """Tells how a run that is over ended: by its run record, where there is one.

    Returns:
        How it ended and why, and the steps' summaries.
    """
    records, cancelled = RunRecords(), run.state is State.CANCELLED
    if run.store:
        kept = Run(run.store, run.name, run.run)
        try:
            records = read_run(kept)
            cancelled |= run.state is State.FAILED and was_cancelled(kept)
        except GraftError as error:
            log.warning("the run record can't be read, so this is what the backend says: %s", error)
    summaries = {step: record.summary for step, record in records.by_step().items()}
    if cancelled:
        return Verdict(Outcome.CANCELLED, "it was cancelled"), summaries
    if summaries:
        return judge(records), summaries
    failed = next((step for step, state in run.steps.items() if state is State.FAILED), "")
    reason = ": ".join(part for part in (failed, run.error or f"the backend says {run.state}") if part)
    return Verdict(_STATED.get(run.state, Outcome.FAILED), f"{reason}; there is no run record"), summaries
