"""An endpoint of Vertex that Graft made: what is deployed there, and what share of its traffic that gets."""

from collections.abc import Callable, Mapping, Sequence
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


def shares_of(endpoint: Any) -> dict[str, int]:
    """Returns which deployed models of an endpoint get what share of its traffic; those that get none left out."""
    return {identifier: share for identifier, share in endpoint.traffic_split.items() if share}


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

    def make(self, seconds: float) -> Any:
        """Returns the endpoint, which is made if it is not there."""
        if (found := self.find()) is not None:
            return found
        endpoint = api.Endpoint(display_name=self._id, labels={_MODEL: self._model})
        request = api.CreateEndpointRequest(parent=self._client.location, endpoint=endpoint, endpoint_id=self._id)
        self._finish(*self._start(f"making the endpoint {self._id}", self._service.create_endpoint, request), seconds)
        if (found := self.find()) is None:
            raise GraftError(f"{self.name} is not there, though Vertex was told to make it: try again.")
        return found

    def deploy(self, version: str, deployed: Any, seconds: float) -> tuple[str, str]:
        """Starts to deploy a version without traffic, unless it is there. What others do here, or a Graft did that was killed, ends first.

        Args:
            version: The version's name.
            deployed: Which model of Vertex, and on what machines.
            seconds: How long each of what it waits for may take.

        Returns:
            What is being done, for `finish`.
        """
        endpoint = self.make(seconds)
        if self._settle(seconds):
            endpoint = self.find()
        what = f"deploying the version {version[:12]} to {self._id}"
        if any(version_of(one) == version for one in endpoint.deployed_models):
            return what, ""
        deployed = api.DeployedModel(deployed, id=deployed_id(version), display_name=version)
        request = api.DeployModelRequest(endpoint=self.name, deployed_model=deployed)
        return self._start(what, self._service.deploy_model, request)

    def finish(self, doing: tuple[str, str], seconds: float) -> None:
        """Waits until what `deploy` started is done."""
        self._finish(*doing, seconds)

    def undeploy(self, identifiers: Sequence[str], seconds: float) -> None:
        """Removes deployed models, which get no traffic."""
        if identifiers:
            self._settle(seconds)
        for identifier in identifiers:
            request = api.UndeployModelRequest(endpoint=self.name, deployed_model_id=identifier)
            what = f"removing {identifier} from the endpoint {self._id}"
            self._finish(*self._start(what, self._service.undeploy_model, request), seconds)

    def share(
        self, seen: Mapping[str, int], decide: Callable[[Any], tuple[Mapping[str, int], Mapping[str, str]]]
    ) -> None:
        """Changes which deployed models get what share of the traffic, and the endpoint's labels, both at once.

        Args:
            seen: The shares when that was decided.
            decide: Returns of the endpoint as it is the shares that it is to have, which sum up to 100 or
                are none at all, and the labels besides its own.

        Raises:
            OvertakenError: Somebody else changed the shares since.
        """

        def change() -> None:
            now = self.find()
            if now is None:
                raise GraftError(f"{self.name} is gone.")
            (split, labels), shares = decide(now), shares_of(now)
            labels = {**labels, _MODEL: self._model}
            if (shares, dict(now.labels)) == (split, labels):  # by an attempt whose answer was lost
                return
            if shares != seen:
                raise OvertakenError(f"Somebody else has moved the traffic of {self._id}.")
            endpoint = api.Endpoint(name=self.name, traffic_split=split, labels=labels, etag=now.etag)
            mask = {"paths": ["traffic_split", "labels"]}
            try:
                self._client.ask(self._service.update_endpoint, endpoint=endpoint, update_mask=mask)
            except exceptions.Conflict as error:
                raise OvertakenError(f"Somebody else has changed {self._id}.") from error

        self._client.insist(f"the traffic of {self._id}", change)

    def _start(self, what: str, method: Callable[..., Any], request: Any) -> tuple[str, str]:
        """Has Vertex take something on, once, though the answer to that may get lost.

        Returns:
            What is being done, and the operation; no operation where it was done before.
        """
        return what, self._client.start(what, method, request, self._under_way)

    def _settle(self, seconds: float) -> bool:
        """Waits for what is under way here, however it ends, and tells whether anything was."""
        under_way = self._under_way()
        for operation in under_way:
            self._client.wait(f"changing the endpoint {self._id}", self._service, operation, seconds)
        return bool(under_way)

    def _finish(self, what: str, operation: str, seconds: float) -> None:
        if operation:
            self._client.finish(what, self._service, operation, seconds)

    def _under_way(self) -> list[str]:
        return self._client.under_way("the endpoint", self._service, self.name)
