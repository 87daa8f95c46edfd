"""The commands that schedule the pipeline on a cluster."""

import itertools
from datetime import UTC, datetime
from typing import Annotated

from cyclopts import App, Parameter
from rich.table import Table

from graft.components.common.runs.run import check_name
from graft.pipelines.cli.options import RunParameters
from graft.pipelines.cli.output import print_table
from graft.pipelines.cluster.connecting import Cluster, connect
from graft.pipelines.cluster.looks import warn_of_installation
from graft.pipelines.cluster.profile.reading import read_profile
from graft.pipelines.cluster.scheduling import put_schedule, the_schedule
from graft.pipelines.cluster.submitting import packaged, run_parameters, run_title
from graft.pipelines.cluster.triggers import make_trigger

_PARAMETERS = RunParameters()

schedules = App(name="schedules", help="Runs the pipeline on a schedule, on a cluster.")


@schedules.command
def create(
    schedule: str,
    /,
    *,
    cluster: Cluster,
    cron: str = "",
    every: str = "",
    timezone: str = "",
    parameters: RunParameters = _PARAMETERS,
    upload: Annotated[bool, Parameter(negative="")] = False,
    dry_run: Annotated[bool, Parameter(negative="")] = False,
) -> None:
    """Creates a schedule, or replaces the one of that name. It starts one run at a time.

    On Kubeflow a schedule that missed its time starts one run for it as soon as it can: when it is resumed, or when a run that took
    longer than the interval has ended. Nothing new ends that run within seconds of its pods' start. Vertex starts none.

    Args:
        schedule: A name for it.
        cluster: The cluster.
        cron: When it fires, as five cron fields (minute, hour, day of the month, month, day of the week), or @daily, @weekly and the like.
        every: Interval instead of cron, such as 6h.
        timezone: Time zone of the cron fields, such as Europe/Berlin. Kubeflow has only the one that the profile names.
        parameters: The pipeline's parameters.
        upload: Copy a local source and local weights into the store first.
        dry_run: Only show when it would fire next.
    """
    check_name("schedule's name", schedule)
    profile = read_profile(cluster.profile, cluster.target)
    trigger = make_trigger(cluster.target, cron, every, timezone, profile.kubeflow.time_zone)
    if not dry_run:
        there = run_parameters(parameters, profile, upload=upload)
        warn_of_installation(cluster, profile)
        backend = connect(cluster, profile)
        with packaged(profile, cluster) as package:
            made, new = put_schedule(backend, schedule, package, there, trigger)
        print(f"{made.name}: {trigger}{'' if new else '; unchanged'}")
    print("fires next:")
    for time in itertools.islice(trigger.next_times(datetime.now(UTC)), 3):
        print(f"  {time:%a %Y-%m-%d %H:%M:%S %Z}")


@schedules.command(name="list")
def list_(*, cluster: Cluster) -> None:
    """Lists the schedules that Graft made.

    Args:
        cluster: The cluster.
    """
    table = Table("schedule", "fires", "state", "made", box=None, pad_edge=False)
    for schedule in connect(cluster).schedules():
        state = "active" if schedule.active else "paused"
        table.add_row(schedule.name, schedule.trigger, state, schedule.created)
    print_table(table)


@schedules.command
def pause(schedule: str, /, *, cluster: Cluster) -> None:
    """Pauses a schedule until it is resumed.

    Args:
        schedule: Its name.
        cluster: The cluster.
    """
    _set_active(schedule, cluster, active=False)


@schedules.command
def resume(schedule: str, /, *, cluster: Cluster) -> None:
    """Resumes a paused schedule.

    If its time came meanwhile, Kubeflow starts one run at once, however much was missed. Nothing new ends it within seconds of its
    pods' start. Vertex starts none.

    Args:
        schedule: Its name.
        cluster: The cluster.
    """
    _set_active(schedule, cluster, active=True)


@schedules.command
def delete(schedule: str, /, *, cluster: Cluster) -> None:
    """Deletes a schedule. Its runs stay.

    Args:
        schedule: Its name.
        cluster: The cluster.
    """
    backend = connect(cluster)
    backend.delete_schedule(the_schedule(backend, schedule))
    print(f"{schedule} is deleted")


@schedules.command
def run_now(schedule: str, /, *, cluster: Cluster) -> None:
    """Starts a run as the schedule would, and prints its identifier and its page's address.

    Args:
        schedule: Its name.
        cluster: The cluster.
    """
    backend = connect(cluster)
    run = backend.run_now(the_schedule(backend, schedule), run_title(schedule))
    print("\n".join(filter(None, (run.run, run.link))))


def _set_active(name: str, cluster: Cluster, *, active: bool) -> None:
    backend = connect(cluster)
    backend.set_active(the_schedule(backend, name), active)
    print(f"{name} is {'active' if active else 'paused'}")
