"""The Kubeflow Pipelines REST API, v2beta1, with state: no kinder than the server of release 2.17, whose answers it is held against."""

import re
import uuid
from email import message_from_bytes, policy

import yaml
from argo import EPOCH
from faults import FaultyServer, RefusalError
from kubeflow_checks import error_body, exists, now, page, refuse, same
from kubeflow_runs import Runs
from kubeflow_schedules import Schedules

API = "/apis/v2beta1"
PIPELINE_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,127}")


class FakeKubeflow(Runs, Schedules, FaultyServer):
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
        (f"POST {API}/runs", Runs.create_run),
        (f"GET {API}/runs", Runs.list_runs),
        (f"GET {API}/runs/([^/:]+)", Runs.get_run),
        (f"POST {API}/runs/([^/:]+):terminate", Runs.terminate),
        (f"POST {API}/recurringruns", Schedules.create_schedule),
        (f"GET {API}/recurringruns", Schedules.list_schedules),
        (f"GET {API}/recurringruns/([^/:]+)", Schedules.get_schedule),
        (f"POST {API}/recurringruns/([^/:]+):(enable|disable)", Schedules.enable),
        (f"DELETE {API}/recurringruns/([^/:]+)", Schedules.delete_schedule),
    )
