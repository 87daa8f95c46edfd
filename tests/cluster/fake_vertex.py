"""The calls of the Vertex AI API, v1, that pipelines and schedules need, with state; as its reference documents them."""

import re
import uuid
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from cronsim import CronSim, CronSimError
from faults import FaultyServer, RefusalError

STATUS = {400: "INVALID_ARGUMENT", 401: "UNAUTHENTICATED", 403: "PERMISSION_DENIED", 404: "NOT_FOUND"}
STATUS |= {409: "ALREADY_EXISTS", 429: "RESOURCE_EXHAUSTED", 500: "INTERNAL", 503: "UNAVAILABLE"}
WHERE = r"/v1/projects/([^/]+)/locations/([^/]+)"
JOB_ID = re.compile(r"[a-z][-a-z0-9]{0,127}")
ACCELERATORS = {
    *("NVIDIA_TESLA_P100", "NVIDIA_TESLA_V100", "NVIDIA_TESLA_P4", "NVIDIA_TESLA_T4", "NVIDIA_TESLA_A100"),
    *("NVIDIA_A100_80GB", "NVIDIA_L4", "NVIDIA_H100_80GB", "NVIDIA_H100_MEGA_80GB", "NVIDIA_H200_141GB"),
    *("NVIDIA_B200", "NVIDIA_GB200", "NVIDIA_RTX_PRO_6000"),
}
LABEL = re.compile(r"[a-z][a-z0-9_-]{0,62}")
LABEL_VALUE = re.compile(r"[a-z0-9_-]{0,63}")


def wording(status, message):
    return {"error": {"code": status, "message": message, "status": STATUS.get(status, "UNKNOWN")}}


def refuse(status, message):
    raise RefusalError(status, wording(status, message))


def now():
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


class FakeVertex(FaultyServer):
    """The service of one region.

    Args:
        token: Bearer token that every request must carry; empty for none.
    """

    def __init__(self, token=""):
        super().__init__(token)
        self.runs, self.schedules, self.scripts, self.scripted = {}, {}, {}, []
        self.operations, self.operation_polls = {}, 1
        self.on_create = lambda run: None

    def error(self, status, text):
        return wording(status, text)

    # What a test does to the service.

    def script(self, *states):
        """Every run started from now on goes through these states, one at each look: (state, {step: state})."""
        self.scripted = states

    def set_state(self, run, state, steps=None, message=""):
        """Moves a run, with the states of its steps; a list of states is one of tasks of the same name."""
        job = self.runs[run]
        job["state"] = f"PIPELINE_STATE_{state}"
        if message:
            job["error"] = {"code": 9, "message": message}
        if steps is not None:
            tasks = [(step, at) for step, told in steps.items() for at in ([told] if isinstance(told, str) else told)]
            details = [
                {"taskId": str(number), "taskName": step, "state": at} for number, (step, at) in enumerate(tasks)
            ]
            job["jobDetail"] = {
                "taskDetails": [{"taskId": "99", "taskName": "exit-handler-1", "state": state}, *details]
            }

    def fire(self, schedule):
        """Starts a run as the scheduler would, or returns None where it would not."""
        entry = self.schedules[schedule]
        running = [
            job
            for job in self.runs.values()
            if job.get("scheduleName") == entry["name"] and job["state"].endswith(("PENDING", "RUNNING"))
        ]
        # maxConcurrentRunCount limits the starting of runs only.
        if entry["state"] != "ACTIVE" or len(running) >= int(entry.get("maxConcurrentActiveRunCount", 1000)):
            return None
        request = entry["createPipelineJobRequest"]
        identifier = f"{schedule}-{len(self.runs)}"
        self._keep_job(
            request["parent"], identifier if identifier[0].isalpha() else f"s{identifier}", request["pipelineJob"]
        )
        job = list(self.runs.values())[-1]
        job["scheduleName"] = entry["name"]
        return job["name"].rpartition("/")[2]

    # The API.

    def create_job(self, match, query, body):
        identifier = query.get("pipelineJobId") or f"job-{uuid.uuid4().hex}"
        if not JOB_ID.fullmatch(identifier):
            refuse(400, f"Invalid PipelineJob id {identifier}")
        if len(body.get("displayName", "")) > 128:
            refuse(400, "The display name has more than 128 characters.")
        if identifier in self.runs:
            refuse(409, f"PipelineJob {identifier} already exists")
        self._check_job(body)
        job = self._keep_job(f"projects/{match[1]}/locations/{match[2]}", identifier, body)
        self.on_create(job)
        return job

    def _keep_job(self, parent, identifier, body):
        name = f"{parent}/pipelineJobs/{identifier}"
        self.runs[identifier] = {**body, "name": name, "state": "PIPELINE_STATE_PENDING", "createTime": now()}
        self.scripts[identifier] = list(self.scripted)
        return self.runs[identifier]

    def _check_job(self, job):
        spec, runtime = job.get("pipelineSpec") or {}, job.get("runtimeConfig") or {}
        if "pipelineInfo" not in spec or not spec.get("schemaVersion", "").startswith("2.1"):
            refuse(400, "Invalid pipeline spec")
        if not runtime.get("gcsOutputDirectory", "").startswith("gs://"):
            refuse(400, "gcs_output_directory must be a Cloud Storage path")
        if "@" not in job.get("serviceAccount", "@"):
            refuse(400, f"Invalid service account {job['serviceAccount']}")
        for name, value in job.get("labels", {}).items():
            if not LABEL.fullmatch(name) or not LABEL_VALUE.fullmatch(value):
                refuse(400, f"Invalid label {name}: {value}")
        declared = spec["root"]["inputDefinitions"]["parameters"]
        given = runtime.get("parameterValues", {})
        for name, parameter in declared.items():
            if name not in given and not parameter.get("isOptional"):
                refuse(400, f"The following parameters are missing: {name}")
        if extra := set(given) - set(declared):
            refuse(400, f"The pipeline has no parameter {extra.pop()}")
        for name, executor in spec["deploymentSpec"]["executors"].items():
            resources = executor["container"].get("resources", {})
            if float(resources.get("cpuLimit", 0)) > 96 or float(resources.get("memoryLimit", 0)) > 624:
                refuse(400, f"{name}: at most 96 CPUs and 624 GB are supported")
            accelerator = resources.get("accelerator", {})
            if accelerator and accelerator.get("resourceType") not in ACCELERATORS:
                refuse(400, f"{name}: invalid accelerator type {accelerator.get('resourceType')}")

    def get_job(self, match, query, body):
        identifier = match[3]
        job = self.runs.get(identifier) or refuse(404, f"PipelineJob {identifier} not found")
        if self.scripts[identifier]:
            self.set_state(identifier, *self.scripts[identifier].pop(0))
        return job

    def cancel_job(self, match, query, body):
        job = self.runs.get(match[3]) or refuse(404, f"PipelineJob {match[3]} not found")
        if not job["state"].endswith(("PENDING", "RUNNING")):
            refuse(400, f"PipelineJob {match[3]} is in a terminal state")
        self.set_state(match[3], "CANCELLING")
        self.scripts[match[3]] = [("CANCELLED", None)]
        return {}

    def create_schedule(self, match, query, body):
        if not 1 <= len(body.get("displayName", "")) <= 128:
            refuse(400, "display_name must have 1 to 128 characters")
        self._check_cron(body.get("cron", ""))
        if int(body.get("maxConcurrentRunCount", 0)) < 1:
            refuse(400, "max_concurrent_run_count must be positive")
        request = body.get("createPipelineJobRequest") or {}
        if request.get("pipelineJobId"):
            refuse(400, "pipeline_job_id must not be set for schedules")
        if request.get("parent") != f"projects/{match[1]}/locations/{match[2]}":
            refuse(400, "parent must be the schedule's own")
        self._check_job(request.get("pipelineJob") or {})
        identifier = str(uuid.uuid4().int % 10**18)
        name = f"{request['parent']}/schedules/{identifier}"
        self.schedules[identifier] = {**body, "name": name, "state": "ACTIVE", "createTime": now()}
        return self.schedules[identifier]

    def _check_cron(self, line):
        zone, _, fields = line.partition(" ") if line.startswith(("TZ=", "CRON_TZ=")) else ("TZ=UTC", "", line)
        try:
            ZoneInfo(zone.partition("=")[2])
            if len(fields.split()) != 5 or re.search(r"[?LW#]", re.sub("[A-Z]{3}", "", fields.upper())):
                raise CronSimError("five fields")
            CronSim(fields, datetime.now(UTC))
        except (CronSimError, ValueError, OSError, KeyError) as error:
            refuse(400, f"Invalid cron expression {line!r}: {error}")

    def list_schedules(self, match, query, body):
        size, start = int(query.get("pageSize") or 100), int(query.get("pageToken") or 0)
        found = list(self.schedules.values())
        token = {"nextPageToken": str(start + size)} if start + size < len(found) else {}
        return {"schedules": found[start : start + size], **token}

    def get_schedule(self, match, query, body):
        return self._schedule(match[3])

    def pause(self, match, query, body):
        self._move(match[3], "ACTIVE", "PAUSED")
        return {}

    def resume(self, match, query, body):
        self._move(match[3], "PAUSED", "ACTIVE")
        self.schedules[match[3]]["catchUp"] = body.get("catchUp", False)
        return {}

    def delete_schedule(self, match, query, body):
        """Takes it on, and has done it `operation_polls` looks later."""
        name = f"{self._schedule(match[3])['name']}/operations/{len(self.operations) + 1}"
        self.operations[name] = [self.operation_polls, match[3]]
        return {"name": name}

    def get_operation(self, match, query, body):
        name = match[1]
        taken_on = self.operations.get(name) or refuse(404, f"Operation {name} not found")
        taken_on[0] -= 1
        if taken_on[0] > 0:
            return {"name": name}
        self.schedules.pop(taken_on[1], None)
        return {"name": name, "done": True, "response": {"@type": "type.googleapis.com/google.protobuf.Empty"}}

    def _schedule(self, identifier):
        return self.schedules.get(identifier) or refuse(404, f"Schedule {identifier} not found")

    def _move(self, identifier, before, after):
        if self._schedule(identifier)["state"] != before:
            refuse(400, f"Schedule {identifier} is not {before}")
        self.schedules[identifier]["state"] = after

    routes = (
        (f"POST {WHERE}/pipelineJobs", create_job),
        (f"GET {WHERE}/pipelineJobs/([^/:]+)", get_job),
        (f"POST {WHERE}/pipelineJobs/([^/:]+):cancel", cancel_job),
        (f"POST {WHERE}/schedules", create_schedule),
        (f"GET {WHERE}/schedules", list_schedules),
        (f"GET {WHERE}/schedules/([^/:]+)", get_schedule),
        (f"POST {WHERE}/schedules/([^/:]+):pause", pause),
        (f"POST {WHERE}/schedules/([^/:]+):resume", resume),
        (f"DELETE {WHERE}/schedules/([^/:]+)", delete_schedule),
        (r"GET /(?:v1|ui)/(projects/.+/operations/\d+)", get_operation),
    )
