"""Running the pipeline on this machine, by kfp.local."""

import contextlib
import dataclasses
import json
import logging
import os
import sys
import time
import warnings
from collections.abc import Iterator
from pathlib import Path

from graft.components.common import storage
from graft.components.common.artifacts.outcomes.results import Outcome
from graft.components.common.artifacts.outcomes.run_summary import RunSummary
from graft.components.common.config import section
from graft.components.common.errors import GraftError
from graft.components.common.extras import require
from graft.components.common.parameters import Parameters
from graft.components.common.progress_lines import SWITCH
from graft.components.common.runs.parts_progress import lost_parts
from graft.components.common.runs.run import Run, new_run_id
from graft.components.common.runs.step_record import mark_cancelled, read_run
from graft.components.common.runs.verdict import Known, judge
from graft.components.export.acceptance.server_process import command_of
from graft.components.train.backbones.weights import NAMED
from graft.pipelines.console.board import Board
from graft.pipelines.console.console import shown
from graft.pipelines.local.docker_runner import DockerOptions, docker_runner
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
    run = Run(_absolute(store or str(runs / "store")), name, run_id)
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
        verbose: Show all that goes to log.txt.

    Raises:
        GraftError: A path is no UTF-8, or can't be passed on by kfp.local, the server to try the model with isn't there, or Docker or the
            image isn't.
    """
    for value in (parameters.source, parameters.weights, run.store):
        storage.check_text(value)
        _refuse_query(value)
    for text in (parameters.config, parameters.recipe):
        for uri in storage.uris_in_text(text):
            _refuse_query(uri)
    if validate_with and not containers:  # which have their own environments
        command_of(validate_with, folder, port=0)
    source = _absolute(parameters.source)
    weights = parameters.weights if parameters.weights in NAMED else _absolute(parameters.weights)
    config, corrections = _with_absolute_corrections(parameters.config)
    given = {"source": source, "weights": weights, "store": run.store, "config": config}
    arguments = dataclasses.asdict(parameters) | given
    inputs = [path for path in (source, weights, corrections) if path.startswith("/") and Path(path).exists()]
    failure: str | None = None
    require("A run", ["kfp"] if containers else ["kfp", "tensorflow"])
    board = Board()
    with contextlib.ExitStack() as stack:
        # It imports what steps need while this process imports kfp.
        host = None if containers else stack.enter_context(step_host())

        from kfp import local

        from graft.pipelines.training import IMAGE, Deployment, build_pipeline, on_image

        # kfp makes a temporary folder a step, and leaves it there.
        scratch = stack.enter_context(storage.scratch_folder("run"))
        stack.enter_context(_environment(**{SWITCH: "1"} | ({} if containers else {"TMPDIR": str(scratch)})))
        if containers:
            store = run.store if run.store.startswith("/") else ""
            runner = stack.enter_context(docker_runner(containers, run.run_id, inputs, store))
            image = containers.image
        else:
            _refuse_python3(str(folder), validate_with, *map(str, arguments.values()))
            runner = local.SubprocessRunner(use_venv=False)
            image = IMAGE
        pipeline = build_pipeline(on_image(image), Deployment(run_id=run.run_id, validate_with=validate_with))
        kept = stack.enter_context(contextlib.closing(RunLog(folder, board, sys.stderr if verbose else None)))
        stack.enter_context(shown(board, plain=verbose))
        stack.enter_context(_logging_to(kept))
        stack.enter_context(contextlib.redirect_stdout(kept))
        stack.enter_context(contextlib.redirect_stderr(kept))
        stack.enter_context(warnings.catch_warnings())
        # The runner warns that an image named graft:cpu may hold no Python.
        warnings.filterwarnings("ignore", message="You may be attemping", category=RuntimeWarning)
        stack.enter_context(untangled())
        local.init(runner=runner, pipeline_root=str(folder), raise_on_error=True)
        if host:
            stack.enter_context(host.forks_steps())
        try:
            pipeline(**arguments)
        except RuntimeError as error:
            failure = str(error)
        except KeyboardInterrupt:
            mark_cancelled(run)  # between two steps there is none whose record says so
            raise
        records = read_run(run)
        verdict = judge(records, Known(reasons=lost_parts(run, records)))
        board.conclude(records.by_step(), verdict)
    outcome = verdict.outcome
    if not outcome.good:
        failure = verdict.reason
    elif failure:  # beyond the steps: notify, or kfp.local itself
        outcome = Outcome.FAILED
    summary = RunSummary.of(records, outcome, failure, round(time.monotonic() - started, 3))
    if outcome is Outcome.FAILED:
        step = board.failed or "notify"
        sys.stderr.write(f"The last lines of {step} (all are in {kept.path}):\n")
        sys.stderr.writelines(f"  | {line}\n" for line in kept.last_lines.get(step, []))
    if kept.trouble:
        log.warning("%s.", kept.trouble)
    storage.write(str(folder / RunSummary.FILE), summary.text().encode())
    return summary


def _absolute(path: str) -> str:
    """Returns a local path resolved, since steps run elsewhere; a URI stays as it is."""
    return path if "://" in path else str(Path(path).resolve())


def _with_absolute_corrections(config: str) -> tuple[str, str]:
    """Returns the pipeline's `config` with the list of corrections that it names resolved, and that; nothing if it names none."""
    named = section(config, "ingest").get("corrections")
    if not isinstance(named, str) or not named:
        return config, ""
    sections = json.loads(config)
    sections["ingest"]["corrections"] = _absolute(named)
    return json.dumps(sections), sections["ingest"]["corrections"]


def _refuse_query(uri: str) -> None:
    """Refuses what would stand in the steps' command lines, where other users of this machine see it.

    Raises:
        GraftError: A URI has a query string, which may be a signature.
    """
    if storage.redact(uri) != uri:
        raise GraftError(
            f"{storage.redact(uri)} has a query string, which the list of processes would show: write the URI alone into a file, such "
            f"as source{storage.SUFFIX}, that only you can read, and name that file instead."
        )


def _refuse_python3(*values: str) -> None:
    """Refuses what kfp's SubprocessRunner would silently rewrite: `python3` anywhere in a step's arguments.

    Raises:
        GraftError: A value contains it.
    """
    for value in values:
        if "python3" in value:
            raise GraftError(
                f"{storage.redact(value)} contains 'python3', which kfp's local runner would replace: "
                "use a path without it, or --runner docker."
            )


@contextlib.contextmanager
def _logging_to(stream: RunLog) -> Iterator[None]:
    """Has what this process logs to stderr go to a stream, where kfp doesn't see to that itself."""
    stderr, handlers = (
        sys.stderr,
        [handler for handler in logging.root.handlers if isinstance(handler, logging.StreamHandler)],
    )
    changed = [handler for handler in handlers if handler.stream is stderr]
    for handler in changed:
        handler.setStream(stream)
    try:
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
