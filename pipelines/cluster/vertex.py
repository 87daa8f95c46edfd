"""Vertex AI Pipelines as a backend, by the clients of google-cloud-aiplatform (API v1, REST)."""

import dataclasses
import re
from collections.abc import Callable
from typing import Any

import google.auth.credentials
import requests
import yaml
from google.api_core import exceptions
from google.auth.exceptions import GoogleAuthError, TransportError
from google.cloud import aiplatform_v1 as api

from graft.components.common.errors import GraftError
from graft.components.common.parameters import Parameters
from graft.components.common.steps import STEPS
from graft.pipelines.cluster import backend
from graft.pipelines.cluster.access import Access
from graft.pipelines.cluster.backend import (
    ClusterRun,
    LostContactError,
    Package,
    Result,
    Schedule,
    State,
    described,
    persistently,
)
from graft.pipelines.cluster.compiling import run_link
from graft.pipelines.cluster.profile import Profile
from graft.pipelines.cluster.triggers import Trigger

_LABEL = "graft-schedule"
_STATES = {
    "SUCCEEDED": State.SUCCEEDED,
    "SKIPPED": State.SKIPPED,
    "NOT_TRIGGERED": State.SKIPPED,
    "FAILED": State.FAILED,
    "CANCELLED": State.CANCELLED,
    "QUEUED": State.PENDING,
    "PENDING": State.PENDING,
    "RUNNING": State.RUNNING,
    "PAUSED": State.RUNNING,
    "CANCELLING": State.CANCELLING,
    "CANCEL_PENDING": State.CANCELLING,
}


class _Token(google.auth.credentials.Credentials):  # type: ignore[misc]
    """A bearer token, asked for anew when the one before is refused."""

    def __init__(self, source: Callable[[], str]) -> None:
        super().__init__()
        self._source = source

    def refresh(self, request: Any) -> None:
        self.token = self._source()


class VertexPipelines:
    """Vertex AI Pipelines.

    Args:
        profile: The profile, which names project and location.
        access: Who the user is there; Google's default credentials without a token.

    Raises:
        GraftError: The profile doesn't say where, or there are no credentials.
    """

    def __init__(self, profile: Profile, access: Access) -> None:
        where = profile.vertex
        for field, value in (("project", where.project), ("location", where.location)):
            if not value:
                raise GraftError(
                    f"vertex.{field} is missing in the profile: it says where the pipeline runs; see docs/vertex.md."
                )
        self._profile = profile
        self._parent = f"projects/{where.project}/locations/{where.location}"
        source = access.token_source()
        client: dict[str, Any] = {
            "transport": "rest",
            "credentials": _Token(source) if source else None,
            "client_options": {"api_endpoint": where.endpoint or f"{where.location}-aiplatform.googleapis.com"},
        }
        with described("Vertex", self._explain):
            self._jobs = api.PipelineServiceClient(**client)
            self._schedules = api.ScheduleServiceClient(**client)

    def submit(self, package: Package, parameters: Parameters, title: str) -> ClusterRun:
        """Starts a run of a pipeline.

        Args:
            package: The compiled pipeline.
            parameters: Its parameters.
            title: Name of the run, which no other has.
        """
        return self._start(self._job(package, parameters), title)

    def run(self, run: str) -> ClusterRun:
        """Returns a run.

        Args:
            run: Its identifier.
        """
        return self._as_run(
            self._call(f"run {run}", lambda: self._jobs.get_pipeline_job(name=self._name(run), **_once()))
        )

    def cancel(self, run: str) -> None:
        """Asks for a run to be stopped.

        Args:
            run: Its identifier.
        """
        self._call(f"run {run}", lambda: self._jobs.cancel_pipeline_job(name=self._name(run), **_once()))

    def schedules(self) -> list[Schedule]:
        """Returns all schedules that Graft made, the newest first."""
        found = self._call("schedules", lambda: list(self._schedules.list_schedules(parent=self._parent, **_once())))
        ours = [entry for entry in found if _LABEL in entry.create_pipeline_job_request.pipeline_job.labels]
        return sorted(map(_as_schedule, ours), key=lambda entry: entry.created, reverse=True)

    def create_schedule(
        self, name: str, package: Package, parameters: Parameters, trigger: Trigger, content: str
    ) -> Schedule:
        """Makes a schedule, whatever others of the same name there are.

        Args:
            name: The user's name for it.
            package: The compiled pipeline.
            parameters: Its parameters.
            trigger: When it fires.
            content: Digest of all that, kept as a label of its runs.
        """
        job = self._job(package, parameters)
        job.labels[_LABEL] = content
        schedule = api.Schedule(
            display_name=name,
            cron=trigger.vertex_cron,
            # The first limits the starting of runs only, the second the runs that are under way.
            max_concurrent_run_count=1,
            max_concurrent_active_run_count=1,
            allow_queueing=False,
            create_pipeline_job_request=api.CreatePipelineJobRequest(parent=self._parent, pipeline_job=job),
        )
        # Made once only: where the answer is lost, the next command finds what was made by its name.
        with described(f"schedule {name}", self._explain):
            return _as_schedule(self._schedules.create_schedule(parent=self._parent, schedule=schedule, **_once()))

    def set_active(self, schedule: Schedule, active: bool) -> None:
        """Pauses or resumes a schedule; what was missed meanwhile is not made up for.

        Args:
            schedule: The schedule.
            active: Whether it is to fire.
        """
        if schedule.active == active:  # which Vertex would refuse
            return
        if active:
            request = api.ResumeScheduleRequest(name=schedule.identifier, catch_up=False)
            self._call(f"schedule {schedule.name}", lambda: self._schedules.resume_schedule(request=request, **_once()))
        else:
            self._call(
                f"schedule {schedule.name}", lambda: self._schedules.pause_schedule(name=schedule.identifier, **_once())
            )

    def delete_schedule(self, schedule: Schedule) -> None:
        """Removes a schedule; that it is gone already is fine.

        Args:
            schedule: The schedule.
        """

        def delete() -> None:
            try:
                self._schedules.delete_schedule(name=schedule.identifier, **_once()).result(timeout=backend.SECONDS)
            except exceptions.NotFound:
                return

        self._call(f"schedule {schedule.name}", delete)

    def run_now(self, schedule: Schedule, title: str) -> ClusterRun:
        """Starts a run as the schedule would.

        Args:
            schedule: The schedule.
            title: Name of the run, which no other has.
        """
        found = self._call(
            f"schedule {schedule.name}", lambda: self._schedules.get_schedule(name=schedule.identifier, **_once())
        )
        return self._start(found.create_pipeline_job_request.pipeline_job, title)

    def _job(self, package: Package, parameters: Parameters) -> Any:
        root = self._profile.pipeline_root
        if not root:
            raise GraftError("pipeline_root is missing in the profile: name a gs:// bucket for the run's artifacts.")
        return api.PipelineJob(
            pipeline_spec=yaml.safe_load(package.path.read_text(encoding="utf-8")),
            runtime_config=api.PipelineJob.RuntimeConfig(
                gcs_output_directory=root, parameter_values=dataclasses.asdict(parameters)
            ),
            service_account=self._profile.service_account,
            labels={"graft-pipeline": package.name},
        )

    def _start(self, job: Any, title: str) -> ClusterRun:
        job.display_name = title[-128:]  # the most that Vertex takes
        identifier = "graft-" + re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-")[-100:].lstrip("-")

        def start() -> Any:
            try:
                return self._jobs.create_pipeline_job(
                    parent=self._parent, pipeline_job=job, pipeline_job_id=identifier, **_once()
                )
            except exceptions.Conflict:  # an earlier attempt arrived, and its answer was lost
                return self._jobs.get_pipeline_job(name=self._name(identifier), **_once())

        return self._as_run(self._call("the run", start))

    def _name(self, run: str) -> str:
        return f"{self._parent}/pipelineJobs/{run}"

    def _as_run(self, job: Any) -> ClusterRun:
        run = job.name.rpartition("/")[2]
        steps = {task.task_name: _state(task.state) for task in job.job_detail.task_details if task.task_name in STEPS}
        parameters = job.runtime_config.parameter_values
        return ClusterRun(
            run,
            run_link(self._profile, "vertex", run),
            _state(job.state),
            {step: steps[step] for step in STEPS if step in steps},
            str(parameters.get("store", "")),
            str(parameters.get("name", "model")),
            job.error.message,
        )

    def _call(self, what: str, call: Callable[[], Result]) -> Result:
        with described(what, self._explain):
            return persistently(call, _may_pass)

    def _explain(self, what: str, error: Exception) -> GraftError | None:
        if isinstance(error, requests.RequestException | TransportError):
            return LostContactError(f"Vertex can't be reached ({type(error).__name__}).")
        if isinstance(error, GoogleAuthError):
            return GraftError(
                f"Google gives no credentials ({type(error).__name__}): run `gcloud auth application-default login`, "
                "or pass a --token-file."
            )
        if not isinstance(error, exceptions.GoogleAPICallError):
            return None
        said = re.sub(r"^[A-Z]+ https?://\S+: ", "", " ".join(str(error.message).split()))[:300]
        if _may_pass(error):
            return LostContactError(f"Vertex is out of order (HTTP {error.code}: {said}).")
        remedy = {
            401: "log in: run `gcloud auth application-default login`, or pass a --token-file",
            403: (
                f"ask for roles/aiplatform.user on {self._profile.vertex.project}, "
                "and roles/iam.serviceAccountUser on the service account"
            ),
            404: "check the name, vertex.project and vertex.location",
        }.get(error.code or 0, "correct it and try again")
        return GraftError(f"{what}: Vertex refuses (HTTP {error.code}: {said}): {remedy}.")


def _once() -> dict[str, Any]:
    """One attempt a call and a limit to it: Graft repeats what may pass itself."""
    return {"retry": None, "timeout": backend.SECONDS}


def _state(state: Any) -> State:
    return _STATES.get(state.name.removeprefix("PIPELINE_STATE_"), State.PENDING)


def _as_schedule(schedule: Any) -> Schedule:
    zone, _, cron = schedule.cron.partition(" ") if "TZ=" in schedule.cron else ("UTC", "", schedule.cron)
    return Schedule(
        schedule.display_name,
        schedule.name,
        f"{cron} ({zone.rpartition('=')[2]})",
        schedule.state == api.Schedule.State.ACTIVE,
        schedule.create_time.isoformat() if schedule.create_time else "",
        schedule.create_pipeline_job_request.pipeline_job.labels.get(_LABEL, ""),
    )


def _may_pass(error: BaseException) -> bool:
    if isinstance(error, requests.RequestException | TransportError):
        return True
    return isinstance(error, exceptions.TooManyRequests | exceptions.ServerError)
