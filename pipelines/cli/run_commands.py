"""The commands that run the pipeline on this machine, and draw pictures for it."""

import logging
import sys
import time
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter
from cyclopts.validators import Number
from rich.table import Table

from graft.components.common.artifacts.evaluation import Evaluation
from graft.components.common.artifacts.outcomes.run_summary import RunSummary
from graft.components.common.errors import GraftError
from graft.components.common.parameters import with_name
from graft.components.common.runs.parts import MOST_PARTS
from graft.pipelines.cli.exits import EXIT_CODES
from graft.pipelines.cli.options import Flat, RunParameters
from graft.pipelines.cli.output import print_table
from graft.pipelines.local.defaults import check_early, choose_inputs
from graft.pipelines.local.docker_runner import DockerOptions
from graft.pipelines.local.run_log import FILE as LOG_FILE
from graft.pipelines.local.running import new_run, run_locally
from graft.pipelines.local.sample import draw_sample

log = logging.getLogger("graft")


def run(
    *,
    parameters: RunParameters = RunParameters(),  # noqa: B008
    runs: Path = Path("runs"),
    runner: Literal["subprocess", "docker"] = "subprocess",
    containers: Flat[DockerOptions] = DockerOptions(),  # noqa: B008
    validate_with: str = "",
    parts: Annotated[int, Parameter(validator=Number(gte=0, lte=MOST_PARTS))] = 0,
    json_output: Annotated[bool, Parameter(name="--json")] = False,
    verbose: Annotated[bool, Parameter(negative="")] = False,
) -> None:
    """Runs the whole pipeline on this machine, each step in a process or a container.

    Args:
        parameters: The pipeline's parameters.
        runs: Folder of all runs.
        runner: What runs a step: a process, or a container of the local Docker Engine.
        containers: Options of the containers, for the docker runner.
        validate_with: A server to try the model with before it is published, besides Graft's own: kserve:ENVIRONMENT, or a command
            with {folder}, {name} and {port}.
        parts: Share the work of ingest, train and evaluate among so many parts, of which two run at once; 0 for none.
        json_output: Print run.json on stdout, and nothing else.
        verbose: Show on stderr all that goes to the run's log.txt.
    """
    started = time.monotonic()
    if runner != "docker" and containers != DockerOptions():
        raise GraftError(
            "--image, --network and --memory are about containers: add --runner docker, or leave them out."
        )
    named = with_name(parameters)
    check_early(named)
    this_run, folder = new_run(runs, named.store, named.name)
    chosen = choose_inputs(named, folder / "sample")
    runs_in = containers if runner == "docker" else None
    summary = run_locally(this_run, folder, chosen, started, runs_in, validate_with, parts=parts, verbose=verbose)
    if json_output:
        print(summary.text(), end="")
    else:
        print_summary(folder, summary)
    if summary.failure:
        for line in summary.failure.split("\n"):
            log.error("%s", line)
        sys.exit(EXIT_CODES[summary.outcome])


def print_summary(folder: Path, summary: RunSummary) -> None:
    """Prints a table of the steps, and the paths of the records and the export."""
    table = Table("step", "seconds", "result", box=None, pad_edge=False)
    for name, step in summary.steps.items():
        # Why it failed stands above among its last lines, and below.
        table.add_row(name, f"{step.seconds:.1f}", "failed" if step.status == "failed" else step.summary)
    table.add_row("total", f"{summary.total_seconds:.1f}", "failed" if summary.failure else summary.outcome)
    print_table(table)
    evaluated = summary.steps.get("evaluate")
    paths = {
        "records": str(folder / RunSummary.FILE),
        "log": str(folder / LOG_FILE),
        "report": f"{evaluated.output}/{Evaluation.REPORT}" if evaluated and evaluated.output else None,
        "export": summary.export,
    }
    for what, path in paths.items():
        if path:
            print(f"{what}: {path}")


def sample(*, output: Path, images: int = 900, seed: int = 0) -> None:
    """Draws pictures of cats and dogs to try Graft with.

    Args:
        output: Folder for the pictures; it must be empty or not exist.
        images: Number of pictures: a multiple of 6, at least 60.
        seed: Seed of the drawing.
    """
    draw_sample(output, images, seed)
    print(output)
