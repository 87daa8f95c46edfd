"""Kubeflow Pipelines as a backend, by kfp's client (API v2beta1)."""

import dataclasses
import logging
from typing import Any

import kfp_server_api as api

from graft.components.common.errors import GraftError
from graft.components.common.parameters import Parameters
from graft.pipelines.cluster.backend import Backend, ClusterRun, Package, Schedule
from graft.pipelines.cluster.credentials import Access
from graft.pipelines.cluster.durations import in_words
from graft.pipelines.cluster.kubeflow.client import KubeflowClient, named
from graft.pipelines.cluster.kubeflow.installation import INSTALLED_IN
from graft.pipelines.cluster.kubeflow.runs import as_run
from graft.pipelines.cluster.profile.fields import Profile
from graft.pipelines.cluster.triggers import Trigger
from graft.pipelines.training import PIPELINE

log = logging.getLogger("graft")

_PAGE = 100
_MARK = "made by graft, content "


class KubeflowPipelines(Backend):
    """Kubeflow Pipelines.

    Args:
        profile: The profile.
        access: Where the API is, and who the user is there.

    Raises:
        GraftError: No endpoint is known, or who the user is can't be told.
    """

    def __init__(self, profile: Profile, access: Access) -> None:
        self._client = KubeflowClient(access.endpoint or profile.kubeflow.endpoint, access)
        self._services = self._client.services
        namespace = access.namespace or profile.kubeflow.namespace
        self._namespace = {"namespace": namespace} if namespace else {}
        self._pods_in = namespace or INSTALLED_IN
        self._experiment = access.experiment or profile.kubeflow.experiment
        self._profile = profile

    def check_access(self) -> str:
        """Asks for one experiment."""
        service = self._services.experiments.experiment_service_list_experiments
        with self._client.described("experiments"):
            self._client.ask(service, **self._namespace, page_size=1)
        return self._client.endpoint

    def submit(self, package: Package, parameters: Parameters, title: str) -> ClusterRun:
        """Starts a run, as `Backend.submit` says."""
        runtime = api.V2beta1RuntimeConfig(parameters=dataclasses.asdict(parameters))
        return self._start(title, self._experiment_id(), self._version(package), runtime)

    def run(self, run: str) -> ClusterRun:
        """Returns a run."""
        return self._as_run(self._client.call(f"run {run}", self._services.runs.run_service_get_run, run))

    def cancel(self, run: str) -> None:
        """Asks for a run to be stopped."""
        try:
            self._client.call(f"run {run}", self._services.runs.run_service_terminate_run, run)
        except GraftError as error:
            # What Kubeflow says of a run that is being stopped already.
            if not isinstance(error.__cause__, api.ApiException) or "Row not found" not in str(error.__cause__.body):
                raise

    def schedules(self) -> list[Schedule]:
        """Returns all schedules that Graft made in the experiment, the newest first."""
        experiment = self._client.insist("experiments", self._found_experiment)
        if not experiment:
            return []
        found: list[Any] = []
        token: str | None = ""
        while token is not None:
            listed = self._client.call(
                "schedules",
                self._services.recurring_runs.recurring_run_service_list_recurring_runs,
                experiment_id=experiment.experiment_id,
                page_token=token,
                page_size=_PAGE,
            )
            found += listed.recurring_runs or []
            token = listed.next_page_token or None
        ours = [_as_schedule(entry) for entry in found if (entry.description or "").startswith(_MARK)]
        return sorted(ours, key=lambda schedule: schedule.created, reverse=True)

    def create_schedule(
        self, name: str, package: Package, parameters: Parameters, trigger: Trigger, content: str
    ) -> Schedule:
        """Makes a schedule, as `Backend.create_schedule` says."""
        when = (
            api.V2beta1Trigger(cron_schedule=api.V2beta1CronSchedule(cron=trigger.kubeflow_cron))
            if trigger.cron
            else api.V2beta1Trigger(periodic_schedule=api.V2beta1PeriodicSchedule(interval_second=str(trigger.seconds)))
        )
        recurring = api.V2beta1RecurringRun(
            display_name=name,
            description=f"{_MARK}{content}",
            experiment_id=self._experiment_id(),
            pipeline_version_reference=self._version(package),
            runtime_config=self._rooted(api.V2beta1RuntimeConfig(parameters=dataclasses.asdict(parameters))),
            service_account=self._profile.service_account or None,
            trigger=when,
            mode=api.RecurringRunMode.ENABLE,
            max_concurrency="1",
            no_catchup=True,  # one run for what was missed, instead of one for each
        )
        with self._client.described(f"schedule {name}"):
            create = self._services.recurring_runs.recurring_run_service_create_recurring_run
            return _as_schedule(self._client.ask(create, recurring_run=recurring))

    def set_active(self, schedule: Schedule, active: bool) -> None:
        """Pauses or resumes a schedule."""
        service = self._services.recurring_runs
        method = (
            service.recurring_run_service_enable_recurring_run
            if active
            else service.recurring_run_service_disable_recurring_run
        )
        self._client.call(f"schedule {schedule.name}", method, schedule.identifier)

    def delete_schedule(self, schedule: Schedule) -> None:
        """Deletes a schedule."""

        def delete() -> None:
            try:
                service = self._services.recurring_runs
                self._client.ask(service.recurring_run_service_delete_recurring_run, schedule.identifier)
            except api.ApiException as error:
                if error.status != 404:
                    raise

        self._client.insist(f"schedule {schedule.name}", delete)

    def run_now(self, schedule: Schedule, title: str) -> ClusterRun:
        """Starts a run as the schedule would."""
        service = self._services.recurring_runs.recurring_run_service_get_recurring_run
        recurring = self._client.call(f"schedule {schedule.name}", service, schedule.identifier)
        return self._start(
            title, recurring.experiment_id, recurring.pipeline_version_reference, recurring.runtime_config
        )

    def _start(self, title: str, experiment: str, version: Any, runtime: Any) -> ClusterRun:
        runs = self._services.runs
        run = api.V2beta1Run(
            display_name=title,
            experiment_id=experiment,
            pipeline_version_reference=version,
            runtime_config=self._rooted(runtime),
            service_account=self._profile.service_account or None,
        )

        def begun() -> Any:
            listed = self._client.ask(runs.run_service_list_runs, experiment_id=experiment, filter=named(title))
            return _first(listed.runs)

        started = self._client.find_or_make(
            "the run", begun, lambda: self._client.ask(runs.run_service_create_run, run=run)
        )
        return self._as_run(started)

    def _rooted(self, runtime: Any) -> Any:
        if self._profile.pipeline_root:
            runtime.pipeline_root = self._profile.pipeline_root
        return runtime

    def _version(self, package: Package) -> Any:
        """Returns a reference to the uploaded pipeline of this content, uploading it if it isn't there."""
        client, pipelines = self._client, self._services.pipelines

        def find_pipeline() -> Any:
            listed = client.ask(pipelines.pipeline_service_list_pipelines, **self._namespace, filter=named(PIPELINE))
            return _first(listed.pipelines)

        def make_pipeline() -> Any:
            made = api.V2beta1Pipeline(display_name=PIPELINE, name=PIPELINE, **self._namespace)
            return client.ask(pipelines.pipeline_service_create_pipeline, made)

        pipeline = client.find_or_make(f"pipeline {PIPELINE}", find_pipeline, make_pipeline).pipeline_id

        def find_version() -> Any:
            service = pipelines.pipeline_service_list_pipeline_versions
            return _first(client.ask(service, pipeline, filter=named(package.name)).pipeline_versions)

        def make_version() -> Any:
            service = self._services.pipeline_uploads.upload_pipeline_version
            return client.ask(service, str(package.path), name=package.name, pipelineid=pipeline)

        version = client.find_or_make(f"pipeline {package.name}", find_version, make_version).pipeline_version_id
        return api.V2beta1PipelineVersionReference(pipeline_id=pipeline, pipeline_version_id=version)

    def _experiment_id(self) -> str:
        made = api.V2beta1Experiment(display_name=self._experiment, **self._namespace)
        service = self._services.experiments.experiment_service_create_experiment
        found = self._client.find_or_make(
            f"experiment {self._experiment}",
            self._found_experiment,
            lambda: self._client.ask(service, experiment=made),
        )
        if found.storage_state == "ARCHIVED":
            log.warning(
                "experiment %s is archived: Kubeflow's pages don't list its runs; restore it there", self._experiment
            )
        return str(found.experiment_id)

    def _found_experiment(self) -> Any:
        service = self._services.experiments.experiment_service_list_experiments
        return _first(self._client.ask(service, **self._namespace, filter=named(self._experiment)).experiments)

    def _as_run(self, run: Any) -> ClusterRun:
        return as_run(run, self._profile, self._client.endpoint, self._pods_in)


def _first(found: Any) -> Any:
    return found[0] if found else None


def _as_schedule(recurring: Any) -> Schedule:
    trigger = recurring.trigger
    periodic = trigger.periodic_schedule if trigger else None
    cron = trigger.cron_schedule.cron if trigger and trigger.cron_schedule else ""
    return Schedule(
        recurring.display_name,
        recurring.recurring_run_id,
        in_words(int(periodic.interval_second)) if periodic else cron.removeprefix("0 "),
        recurring.status == "ENABLED",
        recurring.created_at.isoformat() if recurring.created_at else "",
        (recurring.description or "").removeprefix(_MARK),
    )
