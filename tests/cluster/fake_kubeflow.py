"""The Kubeflow Pipelines REST API, v2beta1, with state: no kinder than the server of release 2.17, whose source it follows."""

import base64
import json
import re
import uuid
from datetime import UTC, datetime
from email import message_from_bytes, policy

import yaml
from faults import FaultyServer, RefusalError

API = "/apis/v2beta1"
# gRPC codes by HTTP status, as in the body of an error.
CODES = {400: 3, 401: 16, 403: 7, 404: 5, 409: 6, 429: 8, 500: 13, 503: 14}
PIPELINE_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,127}")
# The fields of robfig/cron 1.2 (Parse): seconds first, Sunday is 0 only.
CRON_FIELDS = [(0, 59), (0, 59), (0, 23), (1, 31), (1, 12), (0, 6)]
CRON_NAMES = {
    4: ["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"],
    5: ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"],
}
FILTER_KEYS = {"display_name", "name", "created_at", "id"}


def refuse(status, message):
    raise RefusalError(status, {"error": message, "code": CODES[status], "message": message, "details": []})


def now():
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")  # the server keeps seconds


def check_cron(line):
    """Refuses what robfig/cron 1.2 does. Five fields pass, and mean something else: the first is seconds all the same."""
    fields = line.split()
    if not 5 <= len(fields) <= 6:
        refuse(
            400, f"Schedule cron is not a supported format. Error: Expected 5 to 6 fields, found {len(fields)}: {line}"
        )
    for number, field in enumerate(fields):
        for part in field.split(","):
            if not _in_range(part.upper(), number):
                refuse(400, f"Schedule cron is not a supported format. Error: Failed to parse {part} in {line}")


def _in_range(part, number):
    span, _, step = part.partition("/")
    if step and not (step.isdigit() and int(step)):
        return False
    if span in ("*", "?"):
        return True
    low, high = CRON_FIELDS[number]
    names = CRON_NAMES.get(number, [])
    ends = [names.index(end) + low if end in names else int(end) if end.isdigit() else -1 for end in span.split("-")]
    return len(ends) <= 2 and low <= ends[0] <= ends[-1] <= high


class FakeKubeflow(FaultyServer):
    """The API server.

    Args:
        token: Bearer token that every request must carry; empty for none.
        cookie: Cookie that every request must carry; empty for none.
        multi_user: Whether experiments and pipelines belong to namespaces that must be named.
    """

    def __init__(self, token="", cookie="", multi_user=False):
        super().__init__(token, cookie)
        self.multi_user = multi_user
        self.experiments, self.pipelines, self.versions = {}, {}, {}
        self.runs, self.schedules, self.scripts, self.scripted = {}, {}, {}, []
        self.on_create = lambda run: None

    def error(self, status, text):
        return {"error": text, "code": CODES.get(status, 2), "message": text, "details": []}

    # What a test does to the cluster.

    def script(self, *states):
        """Every run started from now on goes through these states, one at each look: (state, {step: state})."""
        self.scripted = states

    def set_state(self, run, state, steps=None, message=""):
        """Moves a run, with the states of its steps."""
        entry = self.runs[run]
        entry["state"] = state
        if message:
            entry["error"] = {"code": 13, "message": message}
        if steps is not None:
            details = [{"run_id": run, "task_id": str(uuid.uuid4()), "display_name": "root", "state": state}]
            for step, at in steps.items():
                for name in (step, f"{step}-driver"):
                    details.append({"run_id": run, "task_id": str(uuid.uuid4()), "display_name": name, "state": at})
            entry["run_details"] = {"task_details": details}

    def fire(self, schedule):
        """Starts a run as the scheduler would, or returns None where it would not."""
        entry = self.schedules[schedule]
        running = [
            run
            for run in self.runs.values()
            if run.get("recurring_run_id") == schedule and run["state"] in ("PENDING", "RUNNING")
        ]
        if entry["status"] != "ENABLED" or len(running) >= int(entry["max_concurrency"]):
            return None
        run = self._new_run({**entry, "display_name": f"{entry['display_name']}-{len(self.runs)}"})
        run["recurring_run_id"] = schedule
        return run["run_id"]

    # The API.

    def healthz(self, match, query, body):
        return {"multi_user": self.multi_user}

    def create_experiment(self, match, query, body):
        if not body.get("display_name"):
            refuse(400, "Experiment name is empty. Please specify a valid experiment name")
        self._need_namespace(body.get("namespace"))
        if any(entry["display_name"] == body["display_name"] for entry in self._visible(self.experiments, body)):
            refuse(409, f"Failed to create a new experiment. The name {body['display_name']} already exists")
        return self._keep(self.experiments, "experiment_id", body, storage_state="AVAILABLE")

    def list_experiments(self, match, query, body):
        self._need_namespace(query.get("namespace"))
        return self._page("experiments", self._visible(self.experiments, query), query)

    def create_pipeline(self, match, query, body):
        name = body.get("name") or body.get("display_name") or ""
        if not PIPELINE_NAME.fullmatch(name):
            refuse(400, "pipeline's name must contain only lowercase alphanumeric characters or '-'")
        if any(entry["name"] == name for entry in self._visible(self.pipelines, body)):
            refuse(409, f"Failed to create a new pipeline. The name {name} already exists")
        return self._keep(
            self.pipelines, "pipeline_id", {**body, "name": name, "display_name": body.get("display_name", name)}
        )

    def list_pipelines(self, match, query, body):
        return self._page("pipelines", self._visible(self.pipelines, query), query)

    def upload_version(self, match, query, body):
        def refuse_upload(status, message):  # this endpoint words its errors otherwise
            raise RefusalError(status, {"error_message": message, "error_details": message})

        pipeline, name = query.get("pipelineid"), query.get("name", "")
        if pipeline not in self.pipelines:
            refuse_upload(400, "Failed to create a pipeline version")
        if not name or len(name) > 127:
            refuse_upload(400, "PipelineVersion.Name length must be between 1 and 127")
        if any(entry["name"] == name and entry["pipeline_id"] == pipeline for entry in self.versions.values()):
            refuse_upload(409, f"The name {name} already exists")
        documents = self._documents(body)
        if not documents or "pipelineInfo" not in documents[0]:
            refuse_upload(400, "Failed to create a pipeline version: unknown template format")
        if not PIPELINE_NAME.fullmatch(documents[0]["pipelineInfo"]["name"]):
            refuse_upload(400, "pipeline's name must contain only lowercase alphanumeric characters or '-'")
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
        return self._page("pipeline_versions", found, query)

    def create_run(self, match, query, body):
        if not body.get("display_name"):
            refuse(500, "Internal Server Error")
        if body.get("experiment_id") and body["experiment_id"] not in self.experiments:
            refuse(404, f"Experiment {body['experiment_id']} not found")
        self._check_parameters(body)
        run = self._new_run(body)
        self.on_create(run)
        return run

    def _new_run(self, body):
        kept = ("display_name", "experiment_id", "pipeline_version_reference", "runtime_config", "service_account")
        run = {key: body[key] for key in kept if body.get(key) is not None}
        kept = self._keep(self.runs, "run_id", run, state="PENDING")
        self.scripts[kept["run_id"]] = list(self.scripted)
        return kept

    def _check_parameters(self, body):
        reference = body.get("pipeline_version_reference") or {}
        version = self.versions.get(reference.get("pipeline_version_id"))
        if not version or version["pipeline_id"] != reference.get("pipeline_id"):
            refuse(500, "Internal Server Error")
        spec = version["pipeline_spec"].get("pipeline_spec", version["pipeline_spec"])
        declared = spec["root"].get("inputDefinitions", {}).get("parameters", {})
        given = (body.get("runtime_config") or {}).get("parameters") or {}
        for name, parameter in declared.items():
            if name not in given:
                if not parameter.get("isOptional") and "defaultValue" not in parameter:
                    refuse(
                        400, f"parameter {name} is not optional, yet has neither default value nor user provided value"
                    )
                continue
            kinds = {"STRING": str, "BOOLEAN": bool, "NUMBER_DOUBLE": (int, float), "NUMBER_INTEGER": (int, float)}
            wanted = kinds[parameter["parameterType"]]
            if not isinstance(given[name], wanted) or (isinstance(given[name], bool) and wanted is not bool):
                refuse(400, f"input parameter {name} requires type {parameter['parameterType']}")
        if extra := set(given) - set(declared):
            refuse(400, f"parameter {extra.pop()} provided is not required by pipeline")

    def get_run(self, match, query, body):
        run = self._found(self.runs, "Run", match[1])
        if self.scripts[match[1]]:
            self.set_state(match[1], *self.scripts[match[1]].pop(0))
        return run

    def list_runs(self, match, query, body):
        experiment = query.get("experiment_id")
        found = [run for run in self.runs.values() if not experiment or run.get("experiment_id") == experiment]
        return self._page("runs", found, query)

    def terminate(self, match, query, body):
        run = self._found(self.runs, "Run", match[1])
        if run["state"] not in ("PENDING", "RUNNING"):
            refuse(400, f"Failed to terminate a run {match[1]}. Row not found")
        self.set_state(match[1], "CANCELING")
        self.scripts[match[1]] = [("CANCELING", None), ("FAILED", None)]  # nothing in the server ever says CANCELED
        return {}

    def create_schedule(self, match, query, body):
        if not body.get("display_name"):
            refuse(500, "Failed to convert a API recurring run to its internal representation")
        if not 1 <= int(body.get("max_concurrency") or 0) <= 10:
            refuse(400, "Max concurrency of a recurring run must be at least 1 and at most 10")
        trigger = body.get("trigger") or {}
        if cron := (trigger.get("cron_schedule") or {}).get("cron"):
            check_cron(cron)
        elif int((trigger.get("periodic_schedule") or {}).get("interval_second") or 0) < 1:
            refuse(400, "Found invalid period schedule interval. Set at interval to least 1 second")
        if body.get("experiment_id") not in self.experiments:
            refuse(404, f"Experiment {body.get('experiment_id')} not found")
        self._check_parameters(body)
        status = "ENABLED" if body.get("mode") == "ENABLE" else "DISABLED"
        return self._keep(self.schedules, "recurring_run_id", body, status=status)

    def get_schedule(self, match, query, body):
        return self._found(self.schedules, "Job", match[1])

    def list_schedules(self, match, query, body):
        experiment = query.get("experiment_id")
        found = [entry for entry in self.schedules.values() if not experiment or entry["experiment_id"] == experiment]
        return self._page("recurringRuns", found, query)

    def enable(self, match, query, body):
        self._found(self.schedules, "Job", match[1])["status"] = "ENABLED" if match[2] == "enable" else "DISABLED"
        return {}

    def delete_schedule(self, match, query, body):
        self._found(self.schedules, "Job", match[1])
        del self.schedules[match[1]]
        return {}

    def _keep(self, kept, field, body, **more):
        entry = {**body, **more, field: str(uuid.uuid4()), "created_at": now()}
        kept[entry[field]] = entry
        return entry

    def _found(self, kept, what, identifier):
        return kept.get(identifier) or refuse(404, f"{what} {identifier} not found")

    def _need_namespace(self, namespace):
        if self.multi_user and not namespace:
            refuse(400, "Namespace cannot be empty")

    def _visible(self, kept, where):
        entries = list(kept.values())
        if self.multi_user:  # else the server takes no notice of namespaces
            entries = [entry for entry in entries if entry.get("namespace", "") == where.get("namespace", "")]
        return entries

    def _page(self, field, entries, query):
        for predicate in json.loads(query.get("filter") or "{}").get("predicates", []):
            if predicate.get("key") not in FILTER_KEYS or predicate.get("operation") not in (1, "EQUALS"):
                refuse(400, f"Failed to list: invalid filter {predicate}")
            value = predicate.get("string_value", predicate.get("stringValue"))
            entries = [
                entry for entry in entries if str(entry.get(predicate["key"])).casefold() == str(value).casefold()
            ]
        size = int(query.get("page_size") or 20)
        start = int(base64.b64decode(query["page_token"])) if query.get("page_token") else 0
        end = start + size
        token = {"next_page_token": base64.b64encode(str(end).encode()).decode()} if end < len(entries) else {}
        found = {field: entries[start:end], "total_size": len(entries), **token}
        return {key: value for key, value in found.items() if value}  # what is empty is never sent

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
