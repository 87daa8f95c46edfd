"""Vertex AI Pipelines as a backend, by the clients of google-cloud-aiplatform (API v1, REST)."""

import dataclasses
import re
from collections.abc import Sequence
from typing import Any

import yaml
from google.api_core import exceptions
from google.cloud import aiplatform_v1 as api

from graft.components.common.errors import GraftError
from graft.components.common.parameters import Parameters
from graft.components.common.services.vertex import VertexClient
from graft.components.common.steps import FANNED_STEPS, step_of
from graft.pipelines.cluster.backend import (
    Backend,
    ClusterRun,
    ClusterStep,
    Package,
    Schedule,
    State,
    all_steps,
    in_parts,
)
from graft.pipelines.cluster.credentials import Access
from graft.pipelines.cluster.profile.fields import Profile
from graft.pipelines.cluster.triggers import Trigger

DELETING_SECONDS = 300.0
"""How long Vertex may take to delete a schedule."""

_LABEL = "graft-schedule"
_STATES = {
    "SUCCEEDED": State.SUCCEEDED,
    "SKIPPED": State.NOT_RUN,
    "NOT_TRIGGERED": State.NOT_RUN,
    "FAILED": State.FAILED,
    "CANCELLED": State.CANCELLED,
    "QUEUED": State.PENDING,
    "PENDING": State.PENDING,
    "RUNNING": State.RUNNING,
    "PAUSED": State.RUNNING,
    "CANCELLING": State.CANCELLING,
    "CANCEL_PENDING": State.CANCELLING,
}


class VertexPipelines(Backend):
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
        self._client = VertexClient(where.project, where.location, where.endpoint, access.token_source())
        self._jobs = self._client.service(api.PipelineServiceClient)
        self._schedules = self._client.service(api.ScheduleServiceClient)

    def check_access(self) -> str:
        """Asks for one schedule."""
        with self._client.described("schedules"):
            request = api.ListSchedulesRequest(parent=self._client.location, page_size=1)
            self._client.ask(self._schedules.list_schedules, request=request)
        return self._client.location

    def submit(self, package: Package, parameters: Parameters, title: str) -> ClusterRun:
        """Starts a run, as `Backend.submit` says."""
        return self._start(self._job(package, parameters), title)

    def run(self, run: str) -> ClusterRun:
        """Returns a run."""
        job = self._client.call(f"run {run}", self._jobs.get_pipeline_job, name=self._name(run))
        return self._as_run(job)

    def cancel(self, run: str) -> None:
        """Asks for a run to be stopped."""
        self._client.call(f"run {run}", self._jobs.cancel_pipeline_job, name=self._name(run))

    def schedules(self) -> list[Schedule]:
        """Returns all schedules that Graft made, the newest first."""
        client = self._client
        found = client.insist(
            "schedules", lambda: list(client.ask(self._schedules.list_schedules, parent=self._client.location))
        )
        ours = [entry for entry in found if _LABEL in entry.create_pipeline_job_request.pipeline_job.labels]
        return sorted(map(_as_schedule, ours), key=lambda entry: entry.created, reverse=True)

    def create_schedule(
        self, name: str, package: Package, parameters: Parameters, trigger: Trigger, content: str
    ) -> Schedule:
        """Makes a schedule, as `Backend.create_schedule` says."""
        job = self._job(package, parameters)
        job.labels[_LABEL] = content
        schedule = api.Schedule(
            display_name=name,
            cron=trigger.vertex_cron,
            # The first limits the starting of runs only, the second the runs that are under way.
            max_concurrent_run_count=1,
            max_concurrent_active_run_count=1,
            allow_queueing=False,
            create_pipeline_job_request=api.CreatePipelineJobRequest(parent=self._client.location, pipeline_job=job),
        )
        # Made once only: where the answer is lost, the next command finds what was made by its name.
        with self._client.described(f"schedule {name}"):
            create = self._schedules.create_schedule
            return _as_schedule(self._client.ask(create, parent=self._client.location, schedule=schedule))

    def set_active(self, schedule: Schedule, active: bool) -> None:
        """Pauses or resumes a schedule."""
        if schedule.active == active:  # which Vertex would refuse
            return
        what, service = f"schedule {schedule.name}", self._schedules
        if active:
            request = api.ResumeScheduleRequest(name=schedule.identifier, catch_up=False)
            self._client.call(what, service.resume_schedule, request=request)
        else:
            self._client.call(what, service.pause_schedule, name=schedule.identifier)

    def delete_schedule(self, schedule: Schedule) -> None:
        """Deletes a schedule."""
        client = self._client
        deleting = client.find(f"schedule {schedule.name}", self._schedules.delete_schedule, name=schedule.identifier)
        if deleting:
            what = f"deleting the schedule {schedule.name}"
            client.finish(what, self._schedules, deleting.operation.name, DELETING_SECONDS)

    def run_now(self, schedule: Schedule, title: str) -> ClusterRun:
        """Starts a run as the schedule would."""
        service = self._schedules.get_schedule
        found = self._client.call(f"schedule {schedule.name}", service, name=schedule.identifier)
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

        client, jobs = self._client, self._jobs

        def start() -> Any:
            try:
                return client.ask(
                    jobs.create_pipeline_job, parent=self._client.location, pipeline_job=job, pipeline_job_id=identifier
                )
            except exceptions.Conflict:  # an earlier attempt arrived, and its answer was lost
                return client.ask(jobs.get_pipeline_job, name=self._name(identifier))

        return self._as_run(client.insist("the run", start))

    def _name(self, run: str) -> str:
        return f"{self._client.location}/pipelineJobs/{run}"

    def _as_run(self, job: Any) -> ClusterRun:
        run, state, tasks = job.name.rpartition("/")[2], _state(job.state), job.job_detail.task_details
        given, link = job.runtime_config.parameter_values, self._profile.vertex.link(run)
        jobs = [task.executor_detail.container_detail.main_job.rpartition("/")[2] for task in tasks]
        printed = f'resource.type="ml_job" AND resource.labels.job_id=({" OR ".join(filter(None, jobs))})'
        return ClusterRun(
            run=run,
            link=link,
            state=state,
            began=job.create_time,
            steps=all_steps(_begun(tasks, over=state.final), over=state.final),
            store=str(given.get("store", "")),
            name=str(given.get("name", "model")),
            root="",
            look=link,
            logs=f"gcloud logging read --project {self._profile.vertex.project} --order asc '{printed}'"
            if any(jobs)
            else link,
            error=job.error.message,
        )


def _begun(tasks: Sequence[Any], *, over: bool) -> dict[str, ClusterStep]:
    """Returns the tasks that have begun by their names; a step of which only parts have begun is under way."""
    begun = {task.task_name: _step(task) for task in tasks}
    for step in FANNED_STEPS:
        parts = [_step(task) for task in tasks if task.task_name != step and step_of(task.task_name) == step]
        if parts and step not in begun and not over:
            begun[step] = in_parts(parts)
    return begun


def _step(task: Any) -> ClusterStep:
    state = _state(task.state)
    if state is State.PENDING and task.start_time:
        state = State.STARTING
    return ClusterStep(state, task.start_time, task.end_time, task.error.message)


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
