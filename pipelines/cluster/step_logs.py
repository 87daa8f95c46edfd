"""What the steps of a run on a cluster printed, as far as it is kept: Kubeflow puts each attempt's output beside the artifacts."""

import dataclasses
import re
from collections.abc import Iterator

from graft.components.common import storage
from graft.components.common.errors import GraftError
from graft.components.common.steps import COMPONENTS, step_of
from graft.pipelines.cluster.backend import ClusterRun, State

# <root>/<step>/<a number of the attempts' own>/executor-logs-<attempt>; the attempt is missing before KFP 2.17.
_LOG = re.compile(r"(?P<task>[^/]+)/[^/]+/executor-logs(-(?P<attempt>\d+))?")


@dataclasses.dataclass(frozen=True)
class StepLog:
    """The output of an attempt of a task.

    Attributes:
        task: The task: a step, or a part of its work.
        attempt: The attempt's number, the first being 1.
        uri: Path or URI of the file.
    """

    task: str
    attempt: int
    uri: str

    @property
    def step(self) -> str:
        """The step that it works for."""
        return step_of(self.task)

    def lines(self) -> Iterator[str]:
        """Yields its lines."""
        with storage.open(self.uri) as file:
            for line in file:
                yield line.decode(errors="replace").rstrip("\r\n")


def step_logs(run: ClusterRun) -> list[StepLog]:
    """Returns the outputs that are kept of a run's steps, in the order in which the steps run.

    Raises:
        GraftError: Where they are is unknown, or can't be read.
    """
    if not run.root:
        raise GraftError(f"Where the steps' output is kept is unknown here. It is shown by: {run.logs}")
    try:
        kept = storage.list(run.root)
    except GraftError as error:
        raise GraftError(f"{error} As long as the pods are there, their output is shown by: {run.logs}") from error
    matches = ((entry, _LOG.fullmatch(entry.path)) for entry in sorted(kept, key=lambda entry: entry.written or 0.0))
    found = [StepLog(of["task"], int(of["attempt"] or 0) + 1, entry.uri) for entry, of in matches if of]
    # Of the parts all begin before the step does, and each has its own attempts in a folder of its own.
    found.sort(key=lambda log: (log.task == log.step, log.attempt if log.task == log.step else 0))
    return [log for step in COMPONENTS for log in found if log.step == step]


def without_logs(run: ClusterRun, logs: list[StepLog]) -> list[str]:
    """Returns the steps that have begun and of whose output nothing is kept: they run still, or were killed."""
    kept = {log.step for log in logs}
    return [
        step
        for step, seen in run.steps.items()
        if seen.state not in (State.PENDING, State.NOT_RUN) and step not in kept
    ]
