"""A cluster with KServe, as far as Graft speaks to one: the Kubernetes API, KServe's and Knative's controllers, and the ingress.

What it does is taken from KServe's source (0.20, August 2026), and where a comment says so from Knative's and Kubernetes':
- refusals: pkg/apis/serving/v1beta1/inference_service_validation.go and component.go, and the types of fields of kserve 0.21's models;
- defaults: inference_service_defaults.go, config/runtimes/kserve-tensorflow-serving.yaml and kustomization.yaml (TensorFlow Serving 2.6.2);
- revisions and traffic: pkg/controller/v1beta1/inferenceservice/reconcilers/knative/ksvc_reconciler.go;
- the status: inference_service_status.go (PropagateStatus, PropagateRawStatus);
- Deployments: reconcilers/deployment/deployment_reconciler.go, and `kubectl rollout status` for what complete means.

The controllers do a step now and then, by chance, at each request: so a status is late, and objects change between reading and writing.
One thing is played kinder than it is. Knative may route by a new canaryTrafficPercent before it has made the new revision; KServe then
takes that for a rollback, and goes to the revision that had all traffic before the present one. Here the revision always comes first.
"""

import copy
import json
import random
import re
import threading
from pathlib import Path

import kubernetes.client
from fault_sequences import BUCKET, NAME, Faults
from faults import Fault, FaultyServer, RefusalError
from kserve_schema import FILE

NAMESPACE, DOMAIN, TOKEN = "models", "example.com", "T"
# knative: pkg/apis/serving/v1/route_types.go
_TRAFFIC = {"configurationName": "str", "revisionName": "str", "latestRevision": "bool", "percent": "int", "tag": "str"}
_SCHEMA = json.loads(FILE.read_text()) | {
    "KnativeDevServingPkgApisServingV1TrafficTarget": _TRAFFIC | {"url": "KnativeURL"}
}
_SERVICES = "/apis/serving.kserve.io/v1beta1/namespaces/models/inferenceservices"
# pkg/controller/v1beta1/inferenceservice/utils/utils.go, SupportedStorageURIPrefixList
_FETCHED = ("gs://", "s3://", "pvc://", "file://", "https://", "http://", "hdfs://", "webhdfs://", "oci://", "hf://")
_PLAIN = {"str": str, "int": int, "bool": bool, "object": object, "datetime": str}


class FakeKServe(FaultyServer):
    """A cluster.

    Args:
        faults: What goes wrong with which request.
        store: The versions that its pods can fetch from the bucket.
        seed: By what its controllers choose when they do something.
        mode: The installation's default, Knative or Standard.

    Attributes:
        wrong: Versions that answer otherwise than they should.
        broken: Versions whose pods don't come up.
        slow: Versions whose pods take for ever.
        served: Versions that had traffic.
    """

    def __init__(self, faults=None, store=None, seed=0, mode="Knative"):
        super().__init__(TOKEN)
        self.plan, self.store, self.mode = faults or Faults(), store, mode
        self.chance, self.wrong, self.broken, self.served = random.Random(seed), set(), set(), set()
        self.slow = set()
        self.objects, self.runs, self._version, self._uid = {}, {}, 100, 0
        self._here = threading.local()
        self.routes = [
            (f"POST {_SERVICES}", FakeKServe._create),
            (f"GET {_SERVICES}/([^/]+)", FakeKServe._get),
            (f"PATCH {_SERVICES}/([^/]+)", FakeKServe._patch),
            (f"DELETE {_SERVICES}/([^/]+)", FakeKServe._delete),
            ("GET /apis/serving.knative.dev/v1/namespaces/models/revisions/([^/]+)", FakeKServe._revision),
            ("GET /apis/apps/v1/namespaces/models/deployments/([^/]+)", FakeKServe._deployment),
        ]

    # The API

    def error(self, status, text):
        reasons = {401: "Unauthorized", 403: "Forbidden", 404: "NotFound", 409: "Conflict", 422: "Invalid"}
        told = {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Failure",
            "message": text,
            "code": status,
        }
        return {**told, "reason": reasons.get(status, "")}

    def refuse(self, status, text):
        raise RefusalError(status, self.error(status, text))

    def _fault(self, asked):
        kind = self.plan.kind_of_next()
        self._here.is_late = kind == "time-out"
        fault = {"error": "fail", "refused": "drop before", "lost": "drop after"}.get(kind)
        return Fault("", fault, 503, 1) if fault else super()._fault(asked)

    def _answer(self, method, target, headers, body):
        with self.lock:
            if target.startswith("/v1/models/"):
                answer = self._predict(method, target, headers.get("Host"), body)
            else:
                self.work()
                answer = super()._answer(method, target, headers, body)
        if self._here.is_late:
            threading.Event().wait(Faults.TOO_LATE)
        return answer

    def _create(self, match, query, body):
        name = body["metadata"]["name"]
        if name in self.objects:
            self.refuse(409, f'inferenceservices.serving.kserve.io "{name}" already exists')
        self._check_fields(query, body)
        self._uid += 1
        made = copy.deepcopy(body) | {"status": {}}
        made["metadata"] |= {"generation": 1, "uid": f"uid-{self._uid}", "creationTimestamp": "2026-11-27T00:00:00Z"}
        if self.mode == "Standard":  # the webhook's default
            made["metadata"].setdefault("annotations", {}).setdefault("serving.kserve.io/deploymentMode", "Standard")
        self._admit(made)
        self.objects[name], self.runs[name] = made, _Run()
        return self._written(made)

    def _get(self, match, query, body):
        return copy.deepcopy(self._found(match[1]))

    def _patch(self, match, query, body):
        service = self._found(match[1])
        version = body.get("metadata", {}).get("resourceVersion")
        if version not in (None, service["metadata"]["resourceVersion"]):
            self.refuse(
                409, "the object has been modified; please apply your changes to the latest version and try again"
            )
        changed = _merged(service, {key: value for key, value in body.items() if key != "status"})
        self._check_fields(query, changed)
        self._admit(changed)
        if changed["spec"] != service["spec"]:
            changed["metadata"]["generation"] += 1
        self.objects[match[1]] = changed
        return self._written(changed)

    def _delete(self, match, query, body):
        service = self._found(match[1])
        service["metadata"]["deletionTimestamp"] = "2026-11-27T00:00:00Z"  # its finalizer takes it away
        return self._written(service)

    def _revision(self, match, query, body):
        revisions = [one for run in self.runs.values() for one in run.revisions]
        found = next((one for one in revisions if one["name"] == match[1]), None)
        if found is None:
            self.refuse(404, f'revisions.serving.knative.dev "{match[1]}" not found')
        metadata = {"name": match[1], "generation": 1, "annotations": found["template"]["annotations"]}
        return {"apiVersion": "serving.knative.dev/v1", "kind": "Revision", "metadata": metadata, "spec": {}}

    def _deployment(self, match, query, body):
        run = self.runs.get(match[1].removesuffix("-predictor"))
        if run is None or run.template is None or not run.is_standard:
            self.refuse(404, f'deployments.apps "{match[1]}" not found')
        return run.deployment(match[1])

    def _found(self, name):
        if name not in self.objects:
            self.refuse(404, f'inferenceservices.serving.kserve.io "{name}" not found')
        return self.objects[name]

    def _written(self, service):
        self._version += 1
        service["metadata"]["resourceVersion"] = str(self._version)
        return copy.deepcopy(service)

    def _check_fields(self, query, content):
        problem = _problem("V1beta1InferenceService", content, "")
        if problem and query.get("fieldValidation") == "Strict":
            self.refuse(400, f"strict decoding error: {problem}")
        if problem:
            raise AssertionError(f"a cluster would drop it and warn: {problem}")

    def _admit(self, service):
        name, predictor = service["metadata"]["name"], service["spec"]["predictor"]
        if not re.fullmatch("[a-z]([-a-z0-9]*[a-z0-9])?", name):
            self._deny(f'the InferenceService "{name}" is invalid: a InferenceService name must consist of lower case')
        if predictor.get("minReplicas", 1) < 0:
            self._deny("'MinReplicas' cannot be less than 0")
        if predictor.get("minReplicas", 1) > predictor.get("maxReplicas", 0) != 0:
            self._deny("'MinReplicas' cannot be greater than MaxReplicas")
        if "name" in predictor.get("model", {}):
            self._deny("the 'name' field is not allowed in standard predictor")
        if "model" not in predictor:
            self._deny("exactly one of [SKLearn, ..., Model] must be specified in PredictorSpec")
        mode = service["status"].get("deploymentMode")
        if mode and service["metadata"].get("annotations", {}).get("serving.kserve.io/deploymentMode", mode) != mode:
            self._deny(f"update rejected: deploymentMode cannot be changed from '{mode}'")
        if service["spec"].get("canary") and mode != "Standard":
            self._deny("canary is only supported in Standard deployment mode")

    def _deny(self, reason):
        self.refuse(
            403, f'admission webhook "inferenceservice.kserve-webhook-server.validator" denied the request: {reason}'
        )

    # The controllers

    def work(self, always=False):
        """Lets each controller do a step, or not."""
        for name, service in list(self.objects.items()):
            if "deletionTimestamp" in service["metadata"]:
                if always or self.chance.random() < 0.3:
                    del self.objects[name], self.runs[name]
                continue
            for step in (self._reconcile, self._progress, self._route, self._tell):
                if always or self.chance.random() < 0.6:
                    step(service, self.runs[name])
        self.served |= set(self.traffic())

    def settle(self):
        """Lets them do all that is to be done: pods come up in four steps at most."""
        with self.lock:
            for _ in range(8):
                self.work(always=True)

    def _reconcile(self, service, run):
        """KServe makes the Knative service or the Deployment what the InferenceService says (ksvc_reconciler.go)."""
        metadata, predictor = service["metadata"], service["spec"]["predictor"]
        run.is_standard = self.mode == "Standard"
        if not predictor["model"]["storageUri"].startswith(_FETCHED):
            run.refused = "StorageURI not supported: storageUri, must be one of: [gs://, s3://, ...]"
            return
        run.refused = ""
        template = {
            "annotations": {**metadata.get("annotations", {}), **predictor.get("annotations", {})},
            "labels": {**metadata.get("labels", {}), **predictor.get("labels", {})},
            "spec": {key: value for key, value in predictor.items() if key != "canaryTrafficPercent"},
        }
        rolled_out = service["status"].get("components", {}).get("predictor", {}).get("latestRolledoutRevision", "")
        canary = predictor.get("canaryTrafficPercent")
        tag = {"tag": "latest"} if template["annotations"].get("serving.kserve.io/enable-tag-routing") == "true" else {}
        split = [{"latestRevision": True, "percent": 100, **tag}]
        if canary is not None and rolled_out:
            split = [{"latestRevision": True, "percent": canary, **tag}]
            if canary < 100:
                rest = {"revisionName": rolled_out, "latestRevision": False, "percent": 100 - canary, "tag": "prev"}
                split.append(rest)
        run.wanted = split
        if template != run.template:
            run.template, run.generation = template, run.generation + 1
            name = f"{metadata['name']}-predictor-{run.generation:05}"
            pod = {"name": name, "template": template, "state": "coming", "left": self.chance.randrange(1, 5)}
            (run.pods if run.is_standard else run.revisions).append(pod)

    def _progress(self, service, run):
        """Pods come up, or don't; a Deployment's old ones go once a new one is ready (maxUnavailable 25% of one is none)."""
        for pod in run.pods + run.revisions:
            if (
                pod["state"] == "coming"
                and _version_at(pod["template"]["spec"]["model"]["storageUri"]) not in self.slow
            ):
                pod["left"] -= 1
                if pod["left"] <= 0:
                    pod["problem"] = self._fails(pod["template"])
                    pod["state"] = "failed" if pod["problem"] else "ready"
        run.observed = run.generation
        if run.pods and run.pods[-1]["state"] == "ready":
            run.pods = run.pods[-1:]
        run.pods = [pod for pod in run.pods if pod["state"] == "ready" or pod is run.pods[-1]]

    def _fails(self, template):
        """Returns why the pods of a template don't come up; empty if they do."""
        model = template["spec"]["model"]
        tag = model.get("runtimeVersion", "2.6.2")
        if tuple(int(part) for part in tag.split(".")[:2]) < (2, 12):
            return f"TensorFlow Serving {tag}: Op type not registered 'DisableCopyOnRead'"
        version = _version_at(model["storageUri"])
        if version in self.broken:
            return "Container failed with: the model does not load"
        # The storage initializer puts what lies below the URI into /mnt/models, the model's base path.
        place = Path(self.store.registry.folder).parents[1] / model["storageUri"].removeprefix(f"{BUCKET}/")
        return (
            ""
            if (place / "1/saved_model.pb").is_file()
            else "No versions of servable found under base path /mnt/models"
        )

    def _route(self, service, run):
        """Knative's Route: what it resolves to is what gets the traffic (knative: pkg/reconciler/route)."""
        ready = next((one["name"] for one in reversed(run.revisions) if one["state"] == "ready"), "")
        if run.wanted and ready and not run.is_standard:
            run.split = copy.deepcopy(run.wanted)
            for entry in run.split:
                if entry["latestRevision"]:
                    entry["revisionName"] = ready
                if "tag" in entry:
                    entry["url"] = f"http://{entry['tag']}-{service['metadata']['name']}-predictor.{NAMESPACE}.{DOMAIN}"

    def _tell(self, service, run):
        """KServe writes the status (PropagateStatus and PropagateRawStatus)."""
        before = copy.deepcopy(service["status"])
        status = service["status"]
        status["deploymentMode"] = "Standard" if run.is_standard else "Knative"
        told = status.setdefault("components", {}).setdefault("predictor", {})
        if run.refused:
            self._condition(status, "PredictorReady", "False", "ReconcileFailed", run.refused)
        elif run.is_standard:
            ready = any(pod["state"] == "ready" for pod in run.pods)
            self._condition(status, "PredictorReady", "True" if ready else "False", "MinimumReplicasUnavailable", "")
            status["url"] = f"http://{service['metadata']['name']}-{NAMESPACE}.{DOMAIN}"
        elif run.revisions:
            self._tell_knative(status, told, run)
        if status != before:
            problem = _problem("V1beta1InferenceServiceStatus", status, "status")
            if problem:
                raise AssertionError(problem)
            self._written(service)

    def _tell_knative(self, status, told, run):
        newest = run.revisions[-1]
        ready = next((one["name"] for one in reversed(run.revisions) if one["state"] == "ready"), "")
        told["latestCreatedRevision"] = newest["name"]
        total = {}
        for entry in run.split:
            total[entry["revisionName"]] = total.get(entry["revisionName"], 0) + entry["percent"]
        for entry in run.split:
            if entry["revisionName"] == ready and entry["latestRevision"]:
                if told.get("latestRolledoutRevision", "") != ready:
                    if entry["percent"] == 100:
                        told["previousRolledoutRevision"] = told.get("latestRolledoutRevision", "")
                        told["latestRolledoutRevision"] = ready
                elif (
                    ready == newest["name"]
                    and entry["percent"] < 100
                    and total[ready] == 100
                    and told.get("previousRolledoutRevision")
                ):
                    told["latestRolledoutRevision"] = told["previousRolledoutRevision"]
        told["latestReadyRevision"] = ready
        told["traffic"] = copy.deepcopy(run.split)
        state = {"ready": "True", "failed": "False", "coming": "Unknown"}[newest["state"]]
        message = (
            f'Revision "{newest["name"]}" failed with message: {newest.get("problem", "")}.' if state == "False" else ""
        )
        self._condition(status, "PredictorConfigurationReady", state, "RevisionFailed" if message else "", message)
        wanted = [{key: entry.get(key) for key in ("latestRevision", "percent", "tag")} for entry in run.wanted]
        routed = [{key: entry.get(key) for key in ("latestRevision", "percent", "tag")} for entry in run.split]
        self._condition(status, "PredictorRouteReady", "True" if wanted == routed else "Unknown", "", "")

    @staticmethod
    def _condition(status, kind, state, reason, message):
        others = [one for one in status.get("conditions", []) if one["type"] != kind]
        condition = {"type": kind, "status": state} | ({"reason": reason} if reason else {})
        status["conditions"] = [*others, condition | ({"message": message} if message else {})]

    # The ingress

    def _predict(self, method, target, host, body):
        """A pod answers as TensorFlow Serving does, at the host that Knative's route or KServe's ingress gave it."""
        for name, run in self.runs.items():
            hosts = {
                f"{entry.get('tag', '')}-{name}-predictor.{NAMESPACE}.{DOMAIN}": entry["revisionName"]
                for entry in run.split
            }
            pods = {one["name"]: one for one in run.revisions}
            if run.is_standard:
                ready = [pod for pod in run.pods if pod["state"] == "ready"]
                hosts = {f"{name}-{NAMESPACE}.{DOMAIN}": pod["name"] for pod in ready}
                pods = {pod["name"]: pod for pod in ready}
            if host in hosts:
                if (method, target) != ("POST", f"/v1/models/{name}:predict"):
                    return 404, {"error": f"Servable not found for request: {target}"}
                if not json.loads(body).get("instances"):
                    return 400, {"error": "JSON Value: {} is not formatted correctly for base64 data"}
                version = _version_at(pods[hosts[host]]["template"]["spec"]["model"]["storageUri"])
                answer = json.loads(self.store.answer(version))
                if version in self.wrong:
                    answer["predictions"][0]["probabilities"].reverse()
                return 200, answer
        return 404, ""

    def traffic(self, name=NAME):
        """What share of a service's traffic each version really gets."""
        with self.lock:
            run, shares = self.runs.get(name, _Run()), {}
            if run.is_standard:
                ready = [pod for pod in run.pods if pod["state"] == "ready"]
                for pod in ready:
                    version = _version_at(pod["template"]["spec"]["model"]["storageUri"])
                    shares[version] = shares.get(version, 0) + 100 // len(ready)
            for entry in run.split:
                revision = next(one for one in run.revisions if one["name"] == entry["revisionName"])
                version = _version_at(revision["template"]["spec"]["model"]["storageUri"])
                shares[version] = shares.get(version, 0) + entry["percent"]
            return {version: share for version, share in shares.items() if share}


class _Run:
    """What runs for an InferenceService: the revisions and the route of a Knative service, or the pods of a Deployment."""

    def __init__(self):
        self.is_standard, self.template, self.generation, self.observed = False, None, 0, 0
        self.wanted, self.split, self.revisions, self.pods, self.refused = [], [], [], [], ""

    def deployment(self, name):
        ready = [pod for pod in self.pods if pod["state"] == "ready"]
        updated = (
            [pod for pod in self.pods if pod["template"] == self.template] if self.observed == self.generation else []
        )
        status = {"observedGeneration": self.observed, "replicas": len(self.pods), "updatedReplicas": len(updated)}
        status |= {"availableReplicas": len(ready), "conditions": []}
        if self.pods and self.pods[-1]["state"] == "failed":
            late = {"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded"}
            status["conditions"].append(late | {"message": f'ReplicaSet "{name}-1" has timed out progressing.'})
        template = {"metadata": {"annotations": self.template["annotations"], "creationTimestamp": None}, "spec": {}}
        metadata = {"name": name, "generation": self.generation, "resourceVersion": "1"}
        return {
            "apiVersion": "apps/v1",
            "metadata": metadata,
            "spec": {"replicas": 1, "template": template},
            "status": status,
        }


def _version_at(uri):
    return re.search("/versions/([0-9a-f]{64})/", uri)[1]


def _merged(old, new):
    """A JSON merge patch (RFC 7386)."""
    if not isinstance(new, dict):
        return copy.deepcopy(new)
    made = dict(old) if isinstance(old, dict) else {}
    for key, value in new.items():
        if value is None:
            made.pop(key, None)
        else:
            made[key] = _merged(made.get(key), value)
    return copy.deepcopy(made)


def _fields(kind):
    if kind in _SCHEMA:
        return _SCHEMA[kind]
    model = getattr(kubernetes.client, kind, None)
    return model and {name: model.openapi_types[field] for field, name in model.attribute_map.items()}


def _problem(kind, value, where):
    """Returns what a CRD's schema has against a value; empty for nothing."""
    if kind.startswith("dict("):
        inner = kind.split(", ", 1)[1][:-1]
        values = value.items() if isinstance(value, dict) else None
    elif kind.startswith("list["):
        inner = kind[5:-1]
        values = enumerate(value) if isinstance(value, list) else None
    elif kind in _PLAIN:
        right = isinstance(value, _PLAIN[kind]) and (kind != "int" or not isinstance(value, bool))
        return "" if right else f"{where}: must be of type {kind}"
    elif kind in ("KnativeURL", "KnativeVolatileTime"):
        return _problem("str", value, where)
    else:
        fields = _fields(kind)
        if fields is None or not isinstance(value, dict):
            return f"{where}: {kind} is not known to the test, or no object is given"
        problems = (
            _problem(fields[name], one, f"{where}.{name}") if name in fields else f'unknown field "{where}.{name}"'
            for name, one in value.items()
        )
        return next(filter(None, problems), "")
    if values is None:
        return f"{where}: must be of type {kind}"
    return next(filter(None, (_problem(inner, one, f"{where}[{key}]") for key, one in values)), "")
