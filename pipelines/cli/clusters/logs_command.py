"""The command that prints what the steps of a run printed."""

import sys
from pathlib import Path

from graft.components.common import storage
from graft.components.common.errors import GraftError
from graft.components.common.escaping import escaped
from graft.components.common.steps import Component
from graft.pipelines.cli.exits import EXIT_ERROR
from graft.pipelines.cluster.credentials import Access
from graft.pipelines.cluster.target import Target
from graft.pipelines.local.run_log import read_log

_NO_ACCESS = Access()


def logs(
    run: str,
    step: Component | None = None,
    /,
    *,
    target: Target | None = None,
    profile: Path | None = None,
    access: Access = _NO_ACCESS,
    runs: Path = Path("runs"),
) -> None:
    """Prints what the steps of a run printed, as far as it is kept; exit code 1 if nothing is.

    Args:
        run: The run's identifier: on a cluster as submit printed it, else the name of its folder in --runs.
        step: One step. If not given: all.
        target: The cluster that it ran on. If not given: this machine.
        profile: YAML file that says where the steps run. If not given: the target's default profile.
        access: Where the cluster is, and who the user is there.
        runs: Folder of all runs on this machine.
    """
    if target:
        _print_kept(run, step, target, profile, access)
        return
    for line in read_log(runs / run, step or ""):
        print(line)


def _print_kept(identifier: str, step: Component | None, target: Target, profile: Path | None, access: Access) -> None:
    # Only these need the extra `pipelines`.
    from graft.pipelines.cluster.connecting import Cluster, connect
    from graft.pipelines.cluster.step_logs import step_logs, without_logs

    run = connect(Cluster(**vars(access), target=target, profile=profile)).run(identifier)
    kept = step_logs(run)
    wanted = [log for log in kept if step in (None, log.step)]
    for log in wanted:
        print(f"--- {log.task}, attempt {log.attempt}: {storage.redact(log.uri)}")
        for line in log.lines():
            print(escaped(storage.without_secrets(line)))
    lacking = [name for name in without_logs(run, kept) if step in (None, name)]
    sys.stdout.flush()
    if lacking:
        print(
            f"Nothing is kept of {', '.join(lacking)}: a step that was killed leaves no output, and one that runs leaves it when it "
            f"ends. As long as its pod is there, it is shown by: {run.logs}",
            file=sys.stderr,
        )
    elif not wanted:
        raise GraftError(f"{step or 'Every step'} of run {identifier} has still to begin, or did not run.")
    if not wanted:
        sys.exit(EXIT_ERROR)
