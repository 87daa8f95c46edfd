"""An endpoint of Vertex that Graft made: what is deployed there, and what share of its traffic that gets."""

from collections.abc import Mapping
from typing import Any

from google.api_core import exceptions
from google.cloud import aiplatform_v1 as api

from graft.components.common.artifacts.checksums import VERSION_NAME
from graft.components.common.errors import GraftError
from graft.components.common.services.vertex import VertexClient
from graft.components.deploy.targets.target import OvertakenError

_MODEL = "graft-model"


def deployed_id(version: str) -> str:
    """Returns what a version is called at an endpoint: ten digits, so that Vertex deploys it once, however often it is asked to."""
    return str(10**9 + int(version, 16) % (9 * 10**9))


def version_of(deployed: Any) -> str:
    """Returns which version a deployed model is; empty for what Graft didn't deploy."""
    version = str(deployed.display_name)
    return version if VERSION_NAME.fullmatch(version) and deployed.id == deployed_id(version) else ""


class VertexEndpoint:
    """An endpoint of Vertex that Graft made.

    All methods raise a GraftError if Vertex can't be reached or refuses, or if the endpoint is not Graft's, or another model's.

    Args:
        client: Asks Vertex.
        identifier: Its ID.
        model: What the model is called at Vertex.

    Attributes:
        name: Its resource name.
    """

    def __init__(self, client: VertexClient, identifier: str, model: str) -> None:
        self._client, self._id, self._model = client, identifier, model
        self._service = client.service(api.EndpointServiceClient)
        self.name = f"{client.location}/endpoints/{identifier}"

    def find(self) -> Any:
        """Returns the endpoint as Vertex has it, or None if it is not there."""
        found = self._client.find("the endpoint", self._service.get_endpoint, name=self.name)
        if found is not None and found.labels.get(_MODEL) != self._model:
            raise GraftError(
                f"{self.name} is not what Graft made for this model, and stays as it is: name another endpoint in deploy.endpoint."
            )
        return found

    def make(self, seconds: float) -> None:
        """Makes the endpoint, unless it is there."""
        if self.find() is not None:
            return
        what = f"making the endpoint {self._id}"

        def start() -> str:
            if under_way := self._under_way():
                return under_way[0]
            endpoint = api.Endpoint(display_name=self._id, labels={_MODEL: self._model})
            request = api.CreateEndpointRequest(parent=self._client.location, endpoint=endpoint, endpoint_id=self._id)
            try:
                return str(self._client.ask(self._service.create_endpoint, request=request).operation.name)
            except exceptions.Conflict:  # an earlier attempt, or somebody else, was faster
                return ""

        self._finish(what, self._client.insist(what, start), seconds)
        if self.find() is None:
            raise GraftError(f"{what}: Vertex has not made it: try again.")

    def settle(self, seconds: float) -> None:
        """Waits for what others, or a Graft that was killed, started here, however it ends."""
        for operation in self._under_way():
            self._client.wait(f"changing the endpoint {self._id}", self._service, operation, seconds)

    def deploy(self, version: str, deployed: Any) -> str:
        """Starts to deploy a version without traffic, unless it is there.

        Args:
            version: The version's name.
            deployed: Which model of Vertex, and on what machines.

        Returns:
            The operation; empty if it is there.
        """
        deployed = api.DeployedModel(deployed, id=deployed_id(version), display_name=version)
        request = api.DeployModelRequest(endpoint=self.name, deployed_model=deployed)

        def start() -> str:
            if any(one.id == deployed.id for one in self.find().deployed_models):
                return ""
            if under_way := self._under_way():
                return under_way[0]
            return str(self._client.ask(self._service.deploy_model, request=request).operation.name)

        return str(self._client.insist(f"deploying the version {version[:12]}", start))

    def finish(self, version: str, operation: str, seconds: float) -> None:
        """Waits until a version is deployed.

        Args:
            version: The version's name.
            operation: What `deploy` returned.
            seconds: How long it may take.
        """
        self._finish(f"deploying the version {version[:12]} to {self._id}", operation, seconds)

    def undeploy(self, identifiers: list[str], seconds: float) -> None:
        """Removes deployed models that get no traffic."""
        for identifier in identifiers:
            what = f"removing {identifier} from the endpoint {self._id}"
            request = api.UndeployModelRequest(endpoint=self.name, deployed_model_id=identifier)

            def start(identifier: str = identifier, request: Any = request) -> str:
                if all(one.id != identifier for one in self.find().deployed_models):
                    return ""
                if under_way := self._under_way():
                    return under_way[0]
                return str(self._client.ask(self._service.undeploy_model, request=request).operation.name)

            self._finish(what, self._client.insist(what, start), seconds)

    def change(self, split: Mapping[str, int], labels: Mapping[str, str], seen: Mapping[str, int]) -> None:
        """Changes which deployed models get what share of the traffic, and the endpoint's labels, both at once.

        Args:
            split: The shares, which sum up to 100.
            labels: All labels, besides the endpoint's own.
            seen: The shares on which that was decided.

        Raises:
            OvertakenError: Somebody else changed the shares since.
        """
        wanted = {**labels, _MODEL: self._model}

        def change() -> None:
            now = self.find()
            if now is None:
                raise GraftError(f"{self.name} is gone.")
            shares = {identifier: share for identifier, share in now.traffic_split.items() if share}
            if (shares, dict(now.labels)) == (split, wanted):
                return
            if shares not in (seen, split):
                raise OvertakenError(f"Somebody else has moved the traffic of {self._id}.")
            endpoint = api.Endpoint(name=self.name, traffic_split=split, labels=wanted, etag=now.etag)
            mask = {"paths": ["traffic_split", "labels"]}
            try:
                self._client.ask(self._service.update_endpoint, endpoint=endpoint, update_mask=mask)
            except exceptions.Conflict as error:
                raise OvertakenError(f"Somebody else has changed {self._id}.") from error

        self._client.insist(f"the traffic of {self._id}", change)

    def _finish(self, what: str, operation: str, seconds: float) -> None:
        if operation:
            self._client.finish(what, self._service, operation, seconds)

    def _under_way(self) -> list[str]:
        return self._client.under_way("the endpoint", self._service, self.name)
