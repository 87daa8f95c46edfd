"""A backend, which runs pipelines: what Kubeflow and Vertex have in common, as far as Graft uses them."""

import abc
import contextlib
import dataclasses
import logging
from collections.abc import Callable, Iterator, Mapping
from enum import StrEnum
from pathlib import Path
from typing import Any, Protocol, TypeVar

from tenacity import Retrying, before_sleep_log, retry_if_exception, stop_after_delay, wait_exponential_jitter

from graft.components.common.errors import GraftError
from graft.components.common.parameters import Parameters
from graft.components.common.steps import STEPS, Step
from graft.pipelines.cluster.triggers import Trigger

log = logging.getLogger("graft")

Result = TypeVar("Result")

RETRY_SECONDS = 60.0
SECONDS = 30.0


class State(StrEnum):
    """The state of a run or of one of its steps."""

    PENDING = "pending"
    RUNNING = "running"
    CANCELLING = "cancelling"
    SUCCEEDED = "succeeded"
    SKIPPED = "skipped"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def final(self) -> bool:
        """Whether it can't change any more."""
        return self not in (State.PENDING, State.RUNNING, State.CANCELLING)


class LostContactError(GraftError):
    """The backend can't be reached, which says nothing about the runs there."""


@dataclasses.dataclass(frozen=True)
class Package:
    """A compiled pipeline's YAML file, and its name, which is the same for the same content."""

    path: Path
    name: str


@dataclasses.dataclass(frozen=True)
class ClusterRun:
    """A run, as its backend sees it.

    Attributes:
        run: Its identifier.
        link: Address of its page.
        state: Its state.
        steps: State of each step that the backend has begun.
        store: Path or URI of the store that it was started with.
        name: The model's name that it was started with.
        error: What the backend says went wrong; empty if nothing did.
    """

    run: str
    link: str
    state: State
    steps: Mapping[Step, State]
    store: str
    name: str
    error: str = ""


@dataclasses.dataclass(frozen=True)
class Schedule:
    """A schedule, as its backend sees it.

    Attributes:
        name: The user's name for it.
        identifier: The backend's.
        trigger: When it fires, in words.
        active: Whether it fires.
        created: When it was made, as ISO 8601 text.
        content: Digest of pipeline, parameters and trigger, by which an unchanged schedule is known; empty if unknown.
    """

    name: str
    identifier: str
    trigger: str
    active: bool
    created: str
    content: str = ""


class Backend(Protocol):
    """Where pipelines run. Every method raises GraftError with one sentence, and LostContactError where it can't be reached."""

    def check_access(self) -> str:
        """Makes one request, as whoever the user is, and returns where it went."""

    def submit(self, package: Package, parameters: Parameters, title: str) -> ClusterRun:
        """Starts a run of a pipeline, which is uploaded if it isn't there.

        Args:
            package: The compiled pipeline.
            parameters: Its parameters.
            title: Name of the run. No other run has it: if an answer is lost, it tells whether the run was started.
        """

    def run(self, run: str) -> ClusterRun:
        """Returns the run with an identifier."""

    def cancel(self, run: str) -> None:
        """Asks for the run with an identifier to be stopped."""

    def schedules(self) -> list[Schedule]:
        """Returns all schedules that Graft made, the newest first."""

    def create_schedule(
        self, name: str, package: Package, parameters: Parameters, trigger: Trigger, content: str
    ) -> Schedule:
        """Makes a schedule, whatever others of the same name there are.

        Args:
            name: The user's name for it.
            package: The compiled pipeline.
            parameters: Its parameters.
            trigger: When it fires.
            content: Digest of all that, which is kept with the schedule.
        """

    def set_active(self, schedule: Schedule, active: bool) -> None:
        """Pauses or resumes a schedule. Runs missed while it was paused are not made up for."""

    def delete_schedule(self, schedule: Schedule) -> None:
        """Deletes a schedule; one that is gone already is fine."""

    def run_now(self, schedule: Schedule, title: str) -> ClusterRun:
        """Starts a run as the schedule would; the title is as in `submit`."""


def make_run(
    run: str, link: str, state: State, steps: Mapping[str, State], parameters: Mapping[str, Any], error: str
) -> ClusterRun:
    """Returns a run as its backend tells of it.

    Args:
        run: Its identifier.
        link: Address of its page.
        state: Its state.
        steps: State of each of its tasks, those that are no step among them.
        parameters: The parameters that it was started with.
        error: What the backend says went wrong; empty if nothing did.
    """
    known = {step: steps[step] for step in STEPS if step in steps}
    return ClusterRun(
        run, link, state, known, str(parameters.get("store", "")), str(parameters.get("name", "model")), error
    )


class ApiClient(abc.ABC):
    """A client of a backend's API: time limits, attempts, and errors in one sentence."""

    @abc.abstractmethod
    def ask(self, method: Callable[..., Any], *arguments: Any, **request: Any) -> Any:
        """Makes one request, with a time limit of `SECONDS`."""

    @abc.abstractmethod
    def explain(self, what: str, error: BaseException) -> GraftError | None:
        """Returns the sentence for what the client library raises, or None for what it doesn't know.

        It is a LostContactError where the server is only overloaded or out of reach.
        """

    def call(self, what: str, method: Callable[..., Any], *arguments: Any, **request: Any) -> Any:
        """Makes a request, again while the server is only overloaded or out of reach."""
        return self.insist(what, lambda: self.ask(method, *arguments, **request))

    def insist(self, what: str, call: Callable[[], Result]) -> Result:
        """Makes requests, again and again for up to a minute while the server is only overloaded or out of reach.

        Args:
            what: What they are about, for messages.
            call: The requests; it must not matter that they are made twice.

        Raises:
            LostContactError: The server stays out of reach or out of order.
            GraftError: It refuses.
        """
        retrying = Retrying(
            retry=retry_if_exception(lambda error: isinstance(self.explain(what, error), LostContactError)),
            stop=stop_after_delay(RETRY_SECONDS),
            wait=wait_exponential_jitter(initial=0.5, max=10),
            before_sleep=before_sleep_log(log, logging.DEBUG),
            reraise=True,
        )
        with self.described(what):
            return retrying(call)

    @contextlib.contextmanager
    def described(self, what: str) -> Iterator[None]:
        """Turns what the client library raises into one sentence about what was being done."""
        try:
            yield
        except Exception as error:
            explained = self.explain(what, error)
            if explained is None:
                raise
            raise explained from error
