"""The commands that compile the pipeline for a cluster, submit it there and watch it."""

import logging
import sys
from pathlib import Path
from typing import Annotated, Any, Literal

from cyclopts import App, Parameter

from graft.pipelines.cli.exits import EXIT_CODES, EXIT_INTERRUPTED
from graft.pipelines.cli.settings import RunSettings
from graft.pipelines.cluster.access import Access
from graft.pipelines.cluster.connecting import connect
from graft.pipelines.cluster.target import TargetOptions

log = logging.getLogger("graft")

_SETTINGS = RunSettings()
_ACCESS = Access()
Component = Literal["resolve", "ingest", "train", "evaluate", "gate", "export", "notify"]


def register(app: App) -> None:
    """Adds the commands to the command line."""
    app.command(compile_, name="compile")
    for command in (submit, status, cancel):
        app.command(command)


def compile_(*, where: TargetOptions, output: Path, component: Component | None = None) -> None:
    """Compiles the pipeline, or one component, for a cluster.

    Args:
        where: The target and its profile.
        output: The YAML file to write.
        component: Compile this step alone, for a pipeline of your own.
    """
    from graft.pipelines.cluster.compiling import compile_component, compile_pipeline
    from graft.pipelines.cluster.digests import pinned_images
    from graft.pipelines.cluster.profile import read_profile

    profile = read_profile(where.profile, where.target)
    images = pinned_images(profile, where.profile, allow_tag=where.allow_tag)
    if component:
        compile_component(component, profile, images, where.target, output)
    else:
        compile_pipeline(profile, images, where.target, output)
    print(output)


def submit(
    *,
    where: TargetOptions,
    settings: RunSettings = _SETTINGS,
    access: Access = _ACCESS,
    upload: Annotated[bool, Parameter(negative="")] = False,
    wait: Annotated[bool, Parameter(negative="")] = False,
) -> None:
    """Starts a run on a cluster, and prints its identifier and its page's address.

    With --wait it ends as the run does: exit code 0 done, 1 error, 3 the gate did not pass, 4 cancelled.

    Args:
        where: The target and its profile.
        settings: The pipeline's parameters.
        access: Where the backend is, and who you are there.
        upload: Copy a local source and local weights into the store first.
        wait: Show the state of the steps until the run is over. Ctrl-C ends the watching, not the run.
    """
    from graft.pipelines.cluster.profile import read_profile
    from graft.pipelines.cluster.submitting import packaged, run_parameters, run_title

    profile = read_profile(where.profile, where.target)
    parameters = run_parameters(settings, profile, upload=upload)
    backend = connect(where, access, profile)
    with packaged(profile, where) as package:
        run = backend.submit(package, parameters, run_title(settings.name))
    print(run.run)
    print(run.link, flush=True)
    if wait:
        _wait(backend, run.run, where)


def status(
    run: str,
    /,
    *,
    where: TargetOptions,
    access: Access = _ACCESS,
    wait: Annotated[bool, Parameter(negative="")] = False,
) -> None:
    """Shows the state of a run's steps; ends with the exit code of the run if it is over, else with 0.

    Args:
        run: The run's identifier, as submit printed it.
        where: The target and its profile.
        access: Where the backend is, and who you are there.
        wait: Show it until the run is over.
    """
    backend = connect(where, access)
    if wait:
        _wait(backend, run, where)
    seen = backend.run(run)
    if seen.state.final:
        _end(seen)
    _show(seen, {})
    print(f"{seen.state}: {seen.link}")


def cancel(run: str, /, *, where: TargetOptions, access: Access = _ACCESS) -> None:
    """Stops a run.

    Args:
        run: The run's identifier, as submit printed it.
        where: The target and its profile.
        access: Where the backend is, and who you are there.
    """
    from graft.components.common.runs.step_record import Run, mark_cancelled

    backend = connect(where, access)
    seen = backend.run(run)
    if seen.state.final:
        print(f"{run} is over already: {seen.state}")
        return
    backend.cancel(run)
    mark_cancelled(Run(seen.store, seen.name, run))  # Kubeflow doesn't tell it from a failed one afterwards
    print(f"{run} is being stopped: {seen.link}")


def _wait(backend: Any, run: str, where: TargetOptions) -> None:
    from graft.components.common.errors import GraftError
    from graft.components.common.runs.step_record import Run, mark_cancelled
    from graft.pipelines.cluster.backend import State
    from graft.pipelines.cluster.watching import watch

    profile = f" --profile {where.profile}" if where.profile else ""
    watch_on = f"graft status {run} --target {where.target}{profile} --wait"
    try:
        seen = watch(backend, run)
    except KeyboardInterrupt:
        log.info("the run goes on; watch it again with: %s", watch_on)
        sys.exit(EXIT_INTERRUPTED)
    except GraftError as error:
        raise GraftError(f"{error} The run goes on; watch it again with: {watch_on}") from error
    if seen.state is State.CANCELLED:
        mark_cancelled(Run(seen.store, seen.name, run))
    _end(seen)


def _end(run: Any) -> None:
    """Prints how a run ended and ends with its exit code."""
    from graft.pipelines.cluster.watching import conclude

    verdict, summaries = conclude(run)
    _show(run, summaries)
    print(f"{verdict.outcome}: {verdict.reason}")
    print(run.link, flush=True)
    sys.exit(EXIT_CODES[verdict.outcome])


def _show(run: Any, summaries: dict[str, str]) -> None:
    from rich.console import Console

    from graft.pipelines.cluster.watching import steps_table

    Console(soft_wrap=True, highlight=False, markup=False).print(steps_table(run, summaries))
