"""How far a run is, or how it ended: told by its steps' records first, and where a step left none by its backend."""

import dataclasses
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from rich.table import Table

from graft.components.common.artifacts.outcomes.results import Outcome
from graft.components.common.runs.verdict import Known, Verdict, judge, why
from graft.components.common.steps import ALL_STEPS
from graft.pipelines.cluster.backend import ClusterRun, State, all_steps
from graft.pipelines.cluster.recorded import as_recorded, read_kept

SILENT = timedelta(minutes=5)
"""After which time a step that has not reported is worth a look."""

_STATES = {"succeeded": State.SUCCEEDED, "failed": State.FAILED, "cancelled": State.CANCELLED}


@dataclasses.dataclass(frozen=True)
class Told:
    """What is told of a run.

    Attributes:
        states: State of each step and of the exit task, in their order.
        summaries: What came out of the steps that left a record, or why they failed.
        verdict: How the run ended; None while it is under way.
        silent: Which step has not reported for long, and where to look; empty if none.
    """

    states: Mapping[str, State]
    summaries: Mapping[str, str]
    verdict: Verdict | None = None
    silent: str = ""

    def table(self) -> Table:
        """Returns a table of the steps, their states, and what came out of them."""
        table = Table("step", "state", "result", box=None, pad_edge=False)
        for step, state in self.states.items():
            table.add_row(step, state, self.summaries.get(step, ""))
        return table


def tell(run: ClusterRun) -> Told:
    """Tells how far a run is, or how it ended."""
    told = read_kept(run)
    records, kept = told.records, told.records.by_step()
    run = dataclasses.replace(run, steps=all_steps(run.steps, records.last_steps, over=run.state.final))
    run = as_recorded(run, told)
    states = {step: seen.state for step, seen in run.steps.items()} | {
        step: _STATES[record.status] for step, record in kept.items()
    }
    summaries = {step: record.summary for step, record in kept.items()}
    if not run.state.final:
        if told.parts:
            summaries[told.parts.step] = told.parts.text
        return Told(states, summaries, silent=silent_step(run, states))
    cancelled = run.state is State.CANCELLED or (run.state is State.FAILED and told.cancelled)
    if cancelled:
        stopped = [step for step, state in states.items() if state is State.FAILED and step not in kept]
        states |= dict.fromkeys(stopped, State.CANCELLED)
    reasons = {step: seen.reason or run.error for step, seen in run.steps.items()}
    not_begun = [
        step for step, seen in run.steps.items() if seen.state is State.NOT_RUN or (seen.reason and not seen.began)
    ]
    known = Known(cancelled, reasons, not_begun)
    return Told(states, summaries, judge(records, known) if kept else _without_records(run, known))


def silent_step(run: ClusterRun, states: Mapping[str, State] | None = None) -> str:
    """Names the step that a run waits for, if it has not reported for long, and what shows why; else returns nothing.

    Args:
        run: The run.
        states: State of each step; if not given, as the backend sees them.
    """
    states = states or {step: seen.state for step, seen in run.steps.items()}
    going = [step for step, state in states.items() if state in (State.STARTING, State.RUNNING)]
    waiting = [step for step in ALL_STEPS if step in states and states[step] is not State.SUCCEEDED]
    if run.state.final or not (going or waiting):
        return ""
    step = going[-1] if going else waiting[0]
    before = filter(None, [run.began, *(seen.ended for seen in run.steps.values())])
    since = run.steps[step].began or max(
        before, default=None
    )  # a step that has still to begin waits since the one before
    if states[step].final or since is None or datetime.now(UTC) - since < SILENT:
        return ""
    runs = states[step] is State.RUNNING
    why_not, where = ("as it does when it ends", run.logs) if runs else ("and its pod does not run yet", run.look)
    return f"{step} has not reported since {since:%Y-%m-%d %H:%M:%S} UTC, {why_not}: see its pod: {where}"


def _without_records(run: ClusterRun, known: Known) -> Verdict:
    """Tells by the backend's word alone how a run ended."""
    if run.state is State.SUCCEEDED:
        return Verdict(Outcome.SUCCEEDED, "the backend says so; there is no run record")
    there = (step for step in ALL_STEPS if step in run.steps)
    step = next((step for step in there if run.steps[step].state is not State.SUCCEEDED), None)
    if known.cancelled:
        return Verdict(*why(step, None, known)) if step else Verdict(Outcome.CANCELLED, "cancelled")
    reason = (step and known.reasons[step]) or run.error or f"the backend says {run.state}"
    return Verdict(Outcome.FAILED, f"{f'{step}: ' if step else ''}{reason}; there is no run record")
