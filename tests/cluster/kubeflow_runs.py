"""Runs, as the API server of Kubeflow Pipelines keeps them and tells of them."""

from argo import EPOCH, last, run_tasks
from kubeflow_checks import check_parameters, no_namespace, now, page, refuse

UNDER_WAY = ("PENDING", "RUNNING")
OVER = ("SUCCEEDED", "FAILED")  # nothing in the server ever says CANCELED


class Runs:
    """The part of the server that is about runs."""

    def set_state(self, run, state, steps=None):
        """Moves a run, with the states of its steps, as `argo` takes them. Nothing ever says why something failed."""
        entry = self.runs[run]
        history = [seen["state"] for seen in entry["state_history"]]
        entry["state"] = state
        # The end of a run that was cancelled while it ran is not in its history.
        if history[-1] != state and not (state in OVER and history[-2:] == ["RUNNING", "CANCELING"]):
            entry["state_history"].append({"update_time": now(), "state": state})
        entry["finished_at"] = now() if state in OVER else EPOCH
        if steps is not None:
            self.steps[run] = steps
        if steps is not None or run in self.steps:
            workflow, retried = f"graft-{run[:5]}", self._retried(entry)
            details = run_tasks(
                workflow, state, self.steps[run], entry["created_at"], now(), stock=self.stock, retried=retried
            )
            entry["run_details"] = {"task_details": [{"run_id": run, **task} for task in details]}
        if state in OVER and entry.get("recurring_run_id") in self.due:
            self.fire(entry["recurring_run_id"])

    def create_run(self, match, query, body):
        if not body.get("display_name"):
            refuse(
                500,
                "CreateJob(job.ToV2())Failed to create a run due to conversion error: InternalServerError: Failed to convert a "
                "API run detail to its internal representation: Invalid input error: Run name cannot be empty",
            )
        wrong = "Failed to create a new run: "
        self._check_experiment(f"{wrong}Failed to create a run due to", body)
        check_parameters(f"{wrong}Failed to generate the ExecutionSpec", self._version(wrong, body), body)
        run = self._new_run(body)
        self.on_create(run)
        return run

    def _check_experiment(self, doing, body):
        if body.get("experiment_id") not in self.experiments:
            refuse(404, f"{doing} invalid experimentId and namespace combination: {no_namespace(body)}")

    def _version(self, wrong, body):
        reference = body.get("pipeline_version_reference") or {}
        wanted = reference.get("pipeline_version_id")
        found = self.versions.get(wanted)
        if not found or found["pipeline_id"] != reference.get("pipeline_id"):
            refuse(
                500,
                f"{wrong}InternalServerError: Failed to create a run due to error fetching manifest: Failed to fetch a template "
                "due to error retrieving pipeline version: Failed to fetch a pipeline version and its manifest from pipeline "
                f"version {wanted}: Failed to get a pipeline version with id {wanted}: ResourceNotFoundError: PipelineVersion "
                f"{wanted} not found",
            )
        return found

    def _new_run(self, body):
        kept = ("display_name", "experiment_id", "pipeline_version_reference", "runtime_config", "service_account")
        run = {key: body[key] for key in kept if body.get(key) is not None}
        time = now()
        history = [{"update_time": time, "state": "PENDING"}]
        states = {"state": "PENDING", "state_history": history, "storage_state": "AVAILABLE"}
        times = {"scheduled_at": time, "finished_at": EPOCH}
        kept = self._keep(self.runs, "run_id", {"service_account": "pipeline-runner", **run, **states, **times})
        self.experiments[run["experiment_id"]]["last_run_created_at"] = time
        self.scripts[kept["run_id"]] = list(self.scripted)
        return kept

    def get_run(self, match, query, body):
        run = self._found(self.runs, "Failed to get a run: Failed to fetch run {0}: ", "Run", match[1])
        if self.scripts[match[1]]:
            self.set_state(match[1], *self.scripts[match[1]].pop(0))
        return run

    def list_runs(self, match, query, body):
        found, experiment = list(self.runs.values()), query.get("experiment_id")
        if experiment:
            if experiment not in self.experiments:
                refuse(404, f"Failed to list runs: {no_namespace(query)}")
            found = [run for run in found if run["experiment_id"] == experiment]
        return page("runs", found, query)

    def terminate(self, match, query, body):
        wrong = "Failed to terminate a run: Failed to terminate run {0}"
        no_run = f"{wrong} due to error fetching the run: Failed to fetch run {{0}}: "
        run = self._found(self.runs, no_run, "Run", match[1])
        if run["state"] not in UNDER_WAY:
            again = f"{wrong}: Invalid input error: Failed to terminate a run {{0}}. Row not found"
            refuse(400, again.format(match[1]))
        self.set_state(match[1], "CANCELING")
        # Argo stops the step that runs; then the exit task runs; and a run that was cancelled has failed.
        stopped = {
            step: "FAILED" if last(at) in UNDER_WAY else at for step, at in self.steps.get(match[1], {}).items()
        } or {"exit-handler-1-driver": "FAILED"}
        told = {} if "exit-handler-1-driver" in stopped else {"notify": "SUCCEEDED"}
        self.scripts[match[1]] = [("CANCELING", None), ("FAILED", {**stopped, **told})]
        return {}

    def _retried(self, run):
        """Returns the steps that have a retry of their own in the run's pipeline."""
        content = self.versions[run["pipeline_version_reference"]["pipeline_version_id"]]["pipeline_spec"]
        spec = content.get("pipeline_spec", content)
        groups = [spec["root"], *spec.get("components", {}).values()]
        tasks = [task for group in groups for task in group.get("dag", {}).get("tasks", {}).items()]
        return {name for name, task in tasks if "retryPolicy" in task}
