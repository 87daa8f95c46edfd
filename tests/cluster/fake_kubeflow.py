"""The Kubeflow Pipelines REST API, v2beta1, with state: no kinder than the server of release 2.17, whose answers it is held against."""

import re
import uuid
from datetime import UTC, datetime
from email import message_from_bytes, policy

import yaml
from argo import EPOCH, last, run_tasks
from faults import FaultyServer, RefusalError
from kubeflow_checks import check_cron, check_parameters, error_body, page, refuse

API = "/apis/v2beta1"
PIPELINE_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,127}")
NAMESPACE = "kubeflow"  # of an installation for one user
UNDER_WAY = ("PENDING", "RUNNING")
OVER = ("SUCCEEDED", "FAILED")  # nothing in the server ever says CANCELED


def now():
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")  # the server keeps seconds


def same(name, other):
    """Whether the server's database takes two names for one: it doesn't look at case."""
    return name.casefold() == other.casefold()


def exists(what, name, verb):
    return (
        f"Already exist error: Failed to create a new {what}. The name {name} already {verb}. Please specify a new name"
    )


def no_namespace(where, *, short=False):
    experiment = where.get("experiment_id")
    missing = f"Failed to fetch namespace from experiment {experiment}: ResourceNotFoundError: Experiment {experiment} not found"
    return missing if short else f"Failed to fetch namespace for experiment {experiment}: {missing}"


class FakeKubeflow(FaultyServer):
    """The API server.

    Args:
        token: Bearer token that every request must carry; empty for none.
        cookie: Cookie that every request must carry; empty for none.
        multi_user: Whether experiments and pipelines belong to namespaces that must be named.
        stock: Whether Argo has the `templateDefaults` of Kubeflow Pipelines' own manifests.
    """

    def __init__(self, token="", cookie="", multi_user=False, stock=True):
        super().__init__(token, cookie)
        self.multi_user, self.stock = multi_user, stock
        self.experiments, self.pipelines, self.versions = {}, {}, {}
        self.runs, self.schedules, self.scripts, self.scripted = {}, {}, {}, []
        self.steps, self.due, self.may_upload = {}, set(), True
        self.on_create = lambda run: None

    def error(self, status, text):
        return error_body(status, text)

    # What a test does to the cluster.

    def script(self, *states):
        """Every run started from now on goes through these states, one at each look: (state, steps as in `argo`)."""
        self.scripted = states

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

    def fire(self, schedule):
        """The schedule's time comes: starts a run, or remembers to and returns None.

        What a pause or a run under way kept from starting starts as soon as it can, in spite of `no_catchup`: once.
        """
        entry = self.schedules[schedule]
        running = [
            run for run in self.runs.values() if run.get("recurring_run_id") == schedule and run["state"] not in OVER
        ]
        if entry["status"] != "ENABLED" or len(running) >= int(entry["max_concurrency"]):
            self.due.add(schedule)
            return None
        self.due.discard(schedule)
        run = self._new_run({**entry, "display_name": f"{entry['display_name']}-{len(self.runs)}"})
        run["recurring_run_id"] = schedule
        return run["run_id"]

    def _retried(self, run):
        """Returns the steps that have a retry of their own in the run's pipeline."""
        content = self.versions[run["pipeline_version_reference"]["pipeline_version_id"]]["pipeline_spec"]
        spec = content.get("pipeline_spec", content)
        groups = [spec["root"], *spec.get("components", {}).values()]
        tasks = [task for group in groups for task in group.get("dag", {}).get("tasks", {}).items()]
        return {name for name, task in tasks if "retryPolicy" in task}

    # The API.

    def healthz(self, match, query, body):
        return {
            "commit_sha": "unknown",
            "tag_name": "unknown",
            "multi_user": self.multi_user,
            "pipeline_store": "database",
        }

    def create_experiment(self, match, query, body):
        wrong = "Failed to create a experiment"
        if not body.get("display_name"):
            refuse(
                500,
                f"[ExperimentServer]: {wrong} due to conversion error: InternalServerError: Failed to convert API experiment "
                "to model experiment: Invalid input error: Experiment must have a non-empty name",
            )
        self._need_namespace(body.get("namespace"))
        name = body["display_name"]
        if any(same(entry["display_name"], name) for entry in self._visible(self.experiments, body)):
            refuse(409, f"{wrong}: {exists('experiment', name, 'exists')}")
        made = {**body, "storage_state": "AVAILABLE", "last_run_created_at": EPOCH}
        return self._keep(self.experiments, "experiment_id", made)

    def list_experiments(self, match, query, body):
        self._need_namespace(query.get("namespace"))
        return page("experiments", self._visible(self.experiments, query), query)

    def create_pipeline(self, match, query, body):
        name = body.get("name") or body.get("display_name") or ""
        if not PIPELINE_NAME.fullmatch(name):
            refuse(400, "pipeline's name must contain only lowercase alphanumeric characters or '-'")
        if any(same(entry["name"], name) for entry in self._visible(self.pipelines, body)):
            wrong = "Failed to create a pipeline due to server error: Failed to create a pipeline in PipelineStore: "
            refuse(409, wrong + exists("pipeline", name, "exist"))
        made = {**body, "name": name, "display_name": body.get("display_name", name)}
        return self._keep(self.pipelines, "pipeline_id", made)

    def list_pipelines(self, match, query, body):
        return page("pipelines", self._visible(self.pipelines, query), query)

    def upload_version(self, match, query, body):
        def refuse_upload(status, message):  # this endpoint words its errors otherwise
            raise RefusalError(status, {"error_message": message, "error_details": message})

        pipeline, name = query.get("pipelineid"), query.get("name", "")
        if len(name) > 127:
            raise RefusalError(400, "Invalid input error: PipelineVersion.Name length cannot exceed 127\n")
        documents = self._documents(body)
        if not documents or "pipelineInfo" not in documents[0]:
            refuse_upload(400, "unknown template format")
        if not PIPELINE_NAME.fullmatch(documents[0]["pipelineInfo"]["name"]) or pipeline not in self.pipelines:
            refuse_upload(400, "Failed to create a pipeline version")
        if self.multi_user and not self.may_upload:  # which other endpoints answer with 403
            raise RefusalError(
                400,
                {
                    "error_message": "Authorization Failure: Failed to authorize with API",
                    "error_details": "PermissionDenied: User 'me' is not authorized with reason:  (request: create pipelines)",
                },
            )
        if any(same(entry["name"], name) and entry["pipeline_id"] == pipeline for entry in self.versions.values()):
            refuse_upload(409, "Failed to create a pipeline version")
        platform = {"platform_spec": documents[1]} if len(documents) > 1 else {}
        content = {"pipeline_spec": documents[0], **platform} if platform else documents[0]
        version = {"pipeline_id": pipeline, "name": name, "display_name": name, "pipeline_spec": content}
        return self._keep(self.versions, "pipeline_version_id", version)

    def _documents(self, body):
        header, _, _ = body.partition(b"\r\n")
        form = b"Content-Type: multipart/form-data; boundary=" + header[2:] + b"\r\n\r\n" + body
        for part in message_from_bytes(form, policy=policy.HTTP).iter_parts():
            if part.get_param("name", header="content-disposition") == "uploadfile":
                try:
                    return list(yaml.safe_load_all(part.get_payload(decode=True)))
                except yaml.YAMLError:
                    return []
        return []

    def list_versions(self, match, query, body):
        found = [entry for entry in self.versions.values() if entry["pipeline_id"] == match[1]]
        return page("pipeline_versions", found, query)

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

    def create_schedule(self, match, query, body):
        wrong = "Failed to create a recurring run"
        unfit = f"{wrong} due to conversion error: "
        if not body.get("display_name"):
            refuse(500, f"{unfit}InternalServerError: Invalid input error: Job name cannot be empty")
        most = int(body.get("max_concurrency") or 0)
        if not 1 <= most <= 10:
            refuse(
                400,
                f"{unfit}Invalid input error: Max concurrency of a recurring run must be at least 1 and at most 10. Received {most}",
            )
        trigger = body.get("trigger") or {}
        interval = int((trigger.get("periodic_schedule") or {}).get("interval_second") or 0)
        if cron := (trigger.get("cron_schedule") or {}).get("cron"):
            check_cron(cron)
        elif interval < 1:
            refuse(
                400,
                f"{unfit}Invalid input error: Found invalid period schedule interval {interval}. Set at interval to least 1 second",
            )
        self._check_experiment(f"{wrong}: {wrong} due to", body)
        doing = f"{wrong}: {wrong} during scheduled workflow creation"
        check_parameters(doing, self._version(f"{wrong}: ", body), body)
        status = "ENABLED" if body.get("mode") == "ENABLE" else "DISABLED"
        made = {"service_account": "pipeline-runner", "namespace": NAMESPACE, "updated_at": now(), "status": status}
        given = {key: value for key, value in body.items() if value is not None}
        return self._keep(self.schedules, "recurring_run_id", {**made, **given})

    def get_schedule(self, match, query, body):
        return self._found(self.schedules, "Failed to fetch a recurring run: ", "Job", match[1])

    def list_schedules(self, match, query, body):
        found, experiment = list(self.schedules.values()), query.get("experiment_id")
        if experiment:
            if experiment not in self.experiments:
                wrong = (
                    "Failed to list jobs: Failed to list recurring runs due to error fetching namespace for experiment "
                )
                by_name = f"{experiment}. Try filtering based on namespace: "
                refuse(404, wrong + by_name + no_namespace(query, short=True))
            found = [entry for entry in found if entry["experiment_id"] == experiment]
        return page("recurringRuns", found, query)

    def enable(self, match, query, body):
        enabled = str(match[2] == "enable").lower()
        wrong = f"Failed to {match[2]} a recurring run: Failed to change recurring run's mode to enable:{enabled}. "
        entry = self._found(self.schedules, wrong + "Check if recurring run {0} exists: ", "Job", match[1])
        word = match[2].upper()
        entry |= {"mode": word, "status": f"{word}D", "updated_at": now()}
        if match[1] in self.due:
            self.fire(match[1])
        return {}

    def delete_schedule(self, match, query, body):
        wrong = "Failed to delete a recurring run: Failed to delete recurring run {0}. Check if exists: "
        self._found(self.schedules, wrong, "Job", match[1])
        del self.schedules[match[1]]
        return {}

    def _keep(self, kept, field, body):
        entry = {**body, field: str(uuid.uuid4()), "created_at": now()}
        kept[entry[field]] = entry
        return entry

    def _found(self, kept, doing, what, identifier):
        missing = f"ResourceNotFoundError: {what} {identifier} not found"
        return kept.get(identifier) or refuse(404, doing.format(identifier) + missing)

    def _need_namespace(self, namespace):
        if self.multi_user and not namespace:
            refuse(400, "Namespace cannot be empty")

    def _visible(self, kept, where):
        entries = list(kept.values())
        if self.multi_user:  # else the server takes no notice of namespaces
            entries = [entry for entry in entries if entry.get("namespace", "") == where.get("namespace", "")]
        return entries

    routes = (
        (f"GET {API}/healthz", healthz),
        (f"POST {API}/experiments", create_experiment),
        (f"GET {API}/experiments", list_experiments),
        (f"POST {API}/pipelines", create_pipeline),
        (f"GET {API}/pipelines", list_pipelines),
        (f"POST {API}/pipelines/upload_version", upload_version),
        (f"GET {API}/pipelines/([^/]+)/versions", list_versions),
        (f"POST {API}/runs", create_run),
        (f"GET {API}/runs", list_runs),
        (f"GET {API}/runs/([^/:]+)", get_run),
        (f"POST {API}/runs/([^/:]+):terminate", terminate),
        (f"POST {API}/recurringruns", create_schedule),
        (f"GET {API}/recurringruns", list_schedules),
        (f"GET {API}/recurringruns/([^/:]+)", get_schedule),
        (f"POST {API}/recurringruns/([^/:]+):(enable|disable)", enable),
        (f"DELETE {API}/recurringruns/([^/:]+)", delete_schedule),
    )
