"""Vertex AI's endpoints, v1, with state: what is deployed to them, their traffic, and what answers.

What it takes and refuses is what the reference says (comments in google/cloud/aiplatform_v1/types/{endpoint,endpoint_service,
machine_resources,prediction_service}.py), and maintainers in issues: no request reaches a deployed model without traffic
(googleapis/python-aiplatform #827), an endpoint's ID takes letters and dashes but no underscore (#2599), a traffic split names deployed
models alone (GoogleCloudPlatform/java-docs-samples #8475), and an endpoint without traffic answers nothing
(GoogleCloudPlatform/explainable_ai_sdk #3). A wrong etag is ABORTED, as google.aip.dev/154 has it.
"""

import random
import re

from fake_vertex import WHERE, refuse
from fake_vertex_models import FakeVertexModels, check_labels, parsed, told
from google.cloud import aiplatform_v1 as api
from google.protobuf import json_format

ENDPOINT_ID = re.compile(r"[a-z]([a-z0-9-]{0,61}[a-z0-9])?|[1-9][0-9]{0,8}")
DEPLOYED_ID = re.compile(r"[0-9]{1,10}")
ACCOUNT = re.compile(r"([a-z0-9-]+@[a-z0-9.-]+)?")
_ENDPOINT = r"/v1/(projects/[^/]+/locations/[^/]+/endpoints/[^/:]+)"


class FakeVertexEndpoints(FakeVertexModels):
    """The models and endpoints of a project.

    Args:
        answer: Returns what a container answers that was given an `artifact_uri`; None if it never starts.
        token: Bearer token that every request must carry; empty for none.
    """

    def __init__(self, answer, token=""):
        super().__init__(token)
        self.endpoints, self.answer = {}, answer
        self._chance = random.Random(7)

    def traffic(self, endpoint):
        """Returns the shares that versions get, by the folder that they were uploaded from."""
        kept = self.endpoints.get(self._named(endpoint)) or api.Endpoint()
        folders = {one.id: self._version_of(one).artifact_uri for one in kept.deployed_models}
        return {folders[identifier]: share for identifier, share in kept.traffic_split.items() if share}

    def create_endpoint(self, match, query, body):
        endpoint = parsed(api.Endpoint, body)
        identifier = query.get("endpointId", "")
        if not 1 <= len(endpoint.display_name) <= 128:
            refuse(400, "display_name must have 1 to 128 characters")
        if {"name", "deployedModels", "trafficSplit", "etag", "createTime"} & set(body):
            refuse(400, "An endpoint begins empty.")
        if not ENDPOINT_ID.fullmatch(identifier):
            refuse(400, f"Invalid endpoint ID {identifier!r}")
        check_labels(endpoint.labels)
        name = self._named(f"projects/{match[1]}/locations/{match[2]}/endpoints/{identifier}")
        if name in self.endpoints or self.under_way(name):
            refuse(409, f"Endpoint {name} already exists")

        def create():
            self.endpoints[name] = api.Endpoint(endpoint, name=name, create_time=self.now(), etag="1")
            return told(self.endpoints[name])

        return self.take_on(name, "Endpoint", create)

    def get_endpoint(self, match, query, body):
        return told(self._endpoint(match[1]))

    def update_endpoint(self, match, query, body):
        changed, kept = parsed(api.Endpoint, body), self._endpoint(match[1])
        mask = self.mask(query, {"display_name", "description", "labels", "traffic_split"})
        if changed.etag and changed.etag != kept.etag:
            refuse(409, "The etag is another one: somebody else has changed the endpoint.")
        if "labels" in mask:
            check_labels(changed.labels)
        if "traffic_split" in mask:
            self._check_split(changed.traffic_split, [one.id for one in kept.deployed_models])
        for field in mask:
            setattr(kept, field, getattr(changed, field))
        self._touch(kept)
        return told(kept)

    def deploy_model(self, match, query, body):
        request, kept = parsed(api.DeployModelRequest, body, endpoint=match[1]), self._endpoint(match[1])
        deployed, there = request.deployed_model, [one.id for one in kept.deployed_models]
        model, version = self.find_version(self._named(deployed.model))
        if {"createTime", "modelVersionId", "status"} & set(body["deployedModel"]):
            refuse(400, "Only Vertex sets that.")
        if not DEPLOYED_ID.fullmatch(deployed.id) or deployed.id == "0":
            refuse(400, f"Invalid deployed model ID {deployed.id!r}")
        if deployed.id in there:
            refuse(409, f"DeployedModel {deployed.id} already exists")
        if len(deployed.display_name) > 128 or not ACCOUNT.fullmatch(deployed.service_account):
            refuse(400, "Invalid display name or service account")
        machines = deployed.dedicated_resources
        if not machines.machine_spec.machine_type or not 1 <= machines.min_replica_count <= machines.max_replica_count:
            refuse(400, "dedicated_resources needs a machine type, and replicas from 1 on")
        if request.traffic_split:
            self._check_split(request.traffic_split, [*there, "0"])

        def deploy():
            if self.answer(version.artifact_uri) is None:
                refuse(400, "Model server exited unexpectedly. Model server logs can be found at its logs.")
            kind = {"model": model, "model_version_id": version.version_id, "create_time": self.now()}
            kept.deployed_models.append(api.DeployedModel(deployed, **kind))
            if request.traffic_split:
                split = request.traffic_split.items()
                kept.traffic_split = {deployed.id if one == "0" else one: share for one, share in split}
            self._touch(kept)
            return {"deployedModel": told(kept.deployed_models[-1])}

        return self.take_on(kept.name, "DeployModelResponse", deploy)

    def undeploy_model(self, match, query, body):
        request, kept = parsed(api.UndeployModelRequest, body, endpoint=match[1]), self._endpoint(match[1])
        identifier, there = request.deployed_model_id, [one.id for one in kept.deployed_models]
        if identifier not in there:
            refuse(404, f"DeployedModel {identifier} not found")
        if request.traffic_split:
            self._check_split(request.traffic_split, there)
            kept.traffic_split = request.traffic_split
        if kept.traffic_split.get(identifier) and len(there) > 1:
            refuse(400, f"DeployedModel {identifier} has traffic.")

        def undeploy():
            if kept.traffic_split.get(identifier) and len(kept.deployed_models) > 1:
                refuse(400, f"DeployedModel {identifier} has traffic.")
            kept.deployed_models = [one for one in kept.deployed_models if one.id != identifier]
            kept.traffic_split = {one: share for one, share in kept.traffic_split.items() if one != identifier}
            self._touch(kept)
            return {}

        return self.take_on(kept.name, "UndeployModelResponse", undeploy)

    def predict(self, match, query, body):
        request, kept = parsed(api.PredictRequest, body, endpoint=match[1]), self._endpoint(match[1])
        if not kept.traffic_split:
            refuse(400, f"Endpoint {kept.name} doesn't have traffic_split.")
        shares = kept.traffic_split
        identifier = self._chance.choices([*shares], [*shares.values()])[0]
        deployed = next(one for one in kept.deployed_models if one.id == identifier)
        given = json_format.MessageToDict(api.PredictRequest.pb(request)).get("instances", [])
        if not given or not all(set(one) == {"image_bytes"} and set(one["image_bytes"]) == {"b64"} for one in given):
            refuse(400, "The instances don't fit the signature serving_default.")
        answer = self.answer(self._version_of(deployed).artifact_uri)
        about = {"deployedModelId": identifier, "model": deployed.model, "modelVersionId": deployed.model_version_id}
        return {"predictions": answer["predictions"], **about}

    def is_deployed(self, name, number):
        deployed = [one for endpoint in self.endpoints.values() for one in endpoint.deployed_models]
        return any((one.model, one.model_version_id) == (name, number) for one in deployed)

    def _version_of(self, deployed):
        return self.models[deployed.model][deployed.model_version_id]

    def _endpoint(self, name):
        return self.endpoints.get(self._named(name)) or refuse(404, f"Endpoint {name} not found")

    @staticmethod
    def _touch(endpoint):
        endpoint.etag = str(int(endpoint.etag) + 1)

    @staticmethod
    def _check_split(split, there):
        if missing := [identifier for identifier in split if identifier not in there]:
            refuse(400, f"The following DeployedModel ID(s) {missing} do not exist.")
        if split and (sum(split.values()) != 100 or min(split.values()) < 0):
            refuse(400, "The traffic percentage values must add up to 100.")

    routes = (
        *FakeVertexModels.routes,
        (f"POST {WHERE}/endpoints", create_endpoint),
        (f"GET {_ENDPOINT}", get_endpoint),
        (f"PATCH {_ENDPOINT}", update_endpoint),
        (f"POST {_ENDPOINT}:deployModel", deploy_model),
        (f"POST {_ENDPOINT}:undeployModel", undeploy_model),
        (f"POST {_ENDPOINT}:predict", predict),
    )
