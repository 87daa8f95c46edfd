"""Running the pipeline on this machine, by kfp.local."""

import contextlib
import logging
import os
import sys
import time
import warnings
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path
from typing import Any

from graft.components.common import storage
from graft.components.common.artifacts.outcomes.results import Outcome
from graft.components.common.artifacts.outcomes.run_summary import RunSummary
from graft.components.common.errors import GraftError
from graft.components.common.extras import require
from graft.components.common.parameters import Parameters
from graft.components.common.progress_lines import SWITCH
from graft.components.common.runs.parts_progress import lost_parts
from graft.components.common.runs.run import Run, new_run_id
from graft.components.common.runs.step_record import mark_cancelled, read_run
from graft.components.common.runs.verdict import Known, judge
from graft.components.common.steps import FANNED_STEPS
from graft.components.export.acceptance.server_process import command_of
from graft.pipelines.console.board import Board
from graft.pipelines.console.console import shown
from graft.pipelines.console.parts import parts_counted
from graft.pipelines.local.docker_runner import DockerOptions, docker_runner
from graft.pipelines.local.run_arguments import absolute, local_arguments, refuse_python3
from graft.pipelines.local.run_log import RunLog
from graft.pipelines.local.side_by_side import untangled
from graft.pipelines.local.step_host.launch import step_host

log = logging.getLogger("graft")

# No path below a run's folder, or below the store beside it, is longer.
_BELOW = 400


def new_run(runs: Path, store: str, name: str) -> tuple[Run, Path]:
    """Names a run by the time and makes its folder.

    Args:
        runs: Folder of all runs.
        store: Path or URI of the store; empty for `store` in `runs`.
        name: The model's name.

    Returns:
        The run and its folder.

    Raises:
        GraftError: The folder's path is no UTF-8, or so long that files in it couldn't be written.
    """
    run_id = new_run_id()
    run = Run(absolute(store or str(runs / "store")), name, run_id)
    folder = (runs / run_id).resolve()
    storage.check_text(str(folder))
    if len(str(folder).encode()) > os.pathconf("/", "PC_PATH_MAX") - _BELOW:
        raise GraftError(f"{folder} is too long a path for the files below it: name a shorter one by --runs.")
    folder.mkdir(parents=True)
    return run, folder


def run_locally(
    run: Run,
    folder: Path,
    parameters: Parameters,
    started: float,
    containers: DockerOptions | None = None,
    validate_with: str = "",
    *,
    parts: int = 0,
    verbose: bool = False,
) -> RunSummary:
    """Runs the pipeline in a process or a container a step, and shows on stderr how far it is.

    What kfp and the steps print goes to log.txt in the folder; of a step that fails the last lines are shown. Success
    is read from the steps' own records: kfp.local reports some failures as success. The summary is written into the folder.

    Args:
        run: The run, with its store.
        folder: Its folder, where the artifacts go.
        parameters: The pipeline's parameters; store and name are the run's.
        started: `time.monotonic()` of the run's beginning.
        containers: How containers are run, or None for processes.
        validate_with: The server that export tries the model with besides Graft's own; empty for none.
        parts: How many parts share the work of each step that can be shared; 0 for none.
        verbose: Show all that goes to log.txt.

    Raises:
        GraftError: A path is no UTF-8, or can't be passed on by kfp.local, the server to try the model with isn't there, or Docker or the
            image isn't.
    """
    arguments, inputs = local_arguments(parameters, run.store)
    if not containers:  # which have their own environments
        refuse_python3(str(folder), validate_with, *map(str, arguments.values()))
        if validate_with:
            command_of(validate_with, folder, port=0)
    require("A run", ["kfp"] if containers else ["kfp", "tensorflow"])
    board = Board()
    with contextlib.ExitStack() as stack:
        runner, image, steps_are_forked = _runner(stack, run, inputs, containers)

        from graft.pipelines.training import Deployment, FanOut, build_pipeline, on_image

        fan_out = {step: FanOut(parts, images=1) for step in FANNED_STEPS} if parts else {}
        deployment = Deployment(run_id=run.run_id, validate_with=validate_with, fan_out=fan_out)
        pipeline = build_pipeline(on_image(image), deployment)
        kept = stack.enter_context(contextlib.closing(RunLog(folder, board, sys.stderr if verbose else None)))
        view = stack.enter_context(shown(board, plain=verbose))
        stack.enter_context(parts_counted(board, view.say, run, [*fan_out]))
        stack.enter_context(_printing_to(kept))
        failure = _run(pipeline, arguments, run, runner, folder, steps_are_forked)
        records = read_run(run)
        verdict = judge(records, Known(reasons=lost_parts(run, records)))
        board.conclude(records.by_step(), verdict)
    outcome = verdict.outcome
    if outcome.good and failure:  # beyond the steps: notify, or kfp.local itself
        outcome = Outcome.FAILED
    seconds = round(time.monotonic() - started, 3)
    reason = failure if verdict.outcome.good else verdict.reason
    took: dict[str, float] = {
        step: round(row.seconds, 3) for step, row in board.rows().items() if row.seconds is not None
    }
    summary = RunSummary.of(records, outcome, reason, seconds, took)
    _tell_the_rest(summary, board, kept)
    storage.write(str(folder / RunSummary.FILE), summary.text().encode())
    return summary


def _runner(
    stack: ExitStack, run: Run, inputs: list[str], containers: DockerOptions | None
) -> tuple[Any, str, AbstractContextManager[None]]:
    """Sets up kfp's runner for as long as a stack lasts; returns it, the steps' image, and a context in which they are run."""
    # It imports what steps need while this process imports kfp.
    host = None if containers else stack.enter_context(step_host())

    from kfp import local

    from graft.pipelines.training import IMAGE

    # kfp makes a temporary folder a step, and leaves it there.
    scratch = stack.enter_context(storage.scratch_folder("run"))
    stack.enter_context(_environment(**{SWITCH: "1"} | ({} if containers else {"TMPDIR": str(scratch)})))
    if host:
        return local.SubprocessRunner(use_venv=False), IMAGE, host.forks_steps()
    containers = containers or DockerOptions()
    store = run.store if run.store.startswith("/") else ""
    runner = stack.enter_context(docker_runner(containers, run.run_id, inputs, store))
    return runner, containers.image, contextlib.nullcontext()


def _run(
    pipeline: Any,
    arguments: dict[str, Any],
    run: Run,
    runner: Any,
    folder: Path,
    steps_are_forked: AbstractContextManager[None],
) -> str | None:
    """Runs the pipeline; returns what kfp.local says of its failure, None if it says nothing of one."""
    from kfp import local

    local.init(runner=runner, pipeline_root=str(folder), raise_on_error=True)
    with untangled(), steps_are_forked:
        try:
            pipeline(**arguments)
        except RuntimeError as error:
            return str(error)
        except KeyboardInterrupt:
            mark_cancelled(run)  # between two steps there is none whose record says so
            raise
    return None


def _tell_the_rest(summary: RunSummary, board: Board, kept: RunLog) -> None:
    """Shows the last lines of the step that failed, and why the log isn't complete."""
    if summary.outcome is Outcome.FAILED:
        step = board.failed or "notify"
        sys.stderr.write(f"The last lines of {step} (all are in {kept.path}):\n")
        sys.stderr.writelines(f"  | {line}\n" for line in kept.last_lines.get(step, []))
    if kept.trouble:
        log.warning("%s.", kept.trouble)


@contextlib.contextmanager
def _printing_to(stream: RunLog) -> Iterator[None]:
    """Has all that this process prints, and logs where kfp doesn't see to that itself, go to a stream."""
    stderr = sys.stderr
    handlers = [handler for handler in logging.root.handlers if isinstance(handler, logging.StreamHandler)]
    changed = [handler for handler in handlers if handler.stream is stderr]
    for handler in changed:
        handler.setStream(stream)
    try:
        with (
            contextlib.redirect_stdout(stream),
            contextlib.redirect_stderr(stream),
            warnings.catch_warnings(),
        ):
            # The runner warns that an image named graft:cpu may hold no Python.
            warnings.filterwarnings("ignore", message="You may be attemping", category=RuntimeWarning)
            yield
    finally:
        for handler in changed:
            handler.setStream(stderr)


@contextlib.contextmanager
def _environment(**variables: str) -> Iterator[None]:
    """Sets environment variables for the steps that are started within: that they tell how far they are, and where temporary files go."""
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
