"""The commands that submit the pipeline to a cluster, watch it and cancel it there."""

import logging
import sys
from typing import Annotated

from cyclopts import Parameter

from graft.components.common.ending import INTERRUPTED
from graft.components.common.errors import GraftError
from graft.components.common.runs.run import Run
from graft.components.common.runs.step_record import mark_cancelled
from graft.pipelines.cli.exits import EXIT_CODES
from graft.pipelines.cli.options import RunParameters
from graft.pipelines.cli.output import print_table
from graft.pipelines.cluster.backend import Backend, ClusterRun, State
from graft.pipelines.cluster.connecting import Cluster, connect
from graft.pipelines.cluster.endings import tell
from graft.pipelines.cluster.looks import warn_of_installation
from graft.pipelines.cluster.profile.reading import read_profile
from graft.pipelines.cluster.submitting import packaged, run_parameters, run_title
from graft.pipelines.cluster.watching import watch

log = logging.getLogger("graft")

_PARAMETERS = RunParameters()


def submit(
    *,
    cluster: Cluster,
    parameters: RunParameters = _PARAMETERS,
    upload: Annotated[bool, Parameter(negative="")] = False,
    wait: Annotated[bool, Parameter(negative="")] = False,
) -> None:
    """Starts a run on a cluster, and prints its identifier and the address of its page.

    Args:
        cluster: The cluster.
        parameters: The pipeline's parameters.
        upload: Copy a local source and local weights into the store first.
        wait: Show the state of the steps until the run is over, and end with its exit code. Ctrl-C ends the watching, not the run.
    """
    profile = read_profile(cluster.profile, cluster.target)
    there = run_parameters(parameters, profile, upload=upload)
    warn_of_installation(cluster, profile)
    backend = connect(cluster, profile)
    with packaged(profile, cluster) as package:
        run = backend.submit(package, there, run_title(there.name))
    print("\n".join(filter(None, (run.run, run.link))), flush=True)
    if wait:
        _wait(backend, run.run, cluster)


def status(
    run: str,
    /,
    *,
    cluster: Cluster,
    wait: Annotated[bool, Parameter(negative="")] = False,
) -> None:
    """Shows the state of the steps of a run on a cluster; once it is over, ends with its exit code.

    Args:
        run: The run's identifier, as submit printed it.
        cluster: The cluster.
        wait: Show the state until the run is over.
    """
    backend = connect(cluster)
    if wait:
        _wait(backend, run, cluster)
    seen = backend.run(run)
    if seen.state.final:
        _end(seen)
    told = tell(seen)
    print_table(told.table())
    print(": ".join(filter(None, (seen.state, seen.link))))
    if told.silent:
        print(told.silent)


def cancel(run: str, /, *, cluster: Cluster) -> None:
    """Cancels a run on a cluster.

    Args:
        run: The run's identifier, as submit printed it.
        cluster: The cluster.
    """
    backend = connect(cluster)
    seen = backend.run(run)
    if seen.state.final:
        print(f"{run} is already over: {seen.state}")
        return
    if seen.state is not State.CANCELLING:
        backend.cancel(run)
    mark_cancelled(Run(seen.store, seen.name, run))  # of which Kubeflow tells neither notify nor `graft history`
    print(": ".join(filter(None, (f"{run} is being cancelled", seen.link))))


def _wait(backend: Backend, run: str, cluster: Cluster) -> None:
    profile = f" --profile {cluster.profile}" if cluster.profile else ""
    watch_on = f"graft status {run} --target {cluster.target}{profile} --wait"
    try:
        seen = watch(backend, run)
    except KeyboardInterrupt:
        log.info("the run goes on; watch it again with: %s", watch_on)
        sys.exit(INTERRUPTED)
    except GraftError as error:
        raise GraftError(f"{error} The run goes on; watch it again with: {watch_on}") from error
    _end(seen)


def _end(run: ClusterRun) -> None:
    """Prints how a run ended and ends with its exit code."""
    told = tell(run)
    print_table(told.table())
    if told.verdict:
        print(f"{told.verdict.outcome}: {told.verdict.reason}")
    if run.link:
        print(run.link, flush=True)
    sys.exit(EXIT_CODES[told.verdict.outcome] if told.verdict else 0)
