"""A model's versions in Vertex' Model Registry: uploaded once each, found again by an alias."""

import hashlib
import re
from collections.abc import Mapping, Sequence
from typing import Any

from google.api_core import exceptions
from google.cloud import aiplatform_v1 as api

from graft.components.common.artifacts.checksums import VERSION_NAME
from graft.components.common.errors import GraftError
from graft.components.common.services.vertex import VertexClient

LABEL = "graft-version"
"""The label of what Graft uploaded. Its value is the version's beginning: a label's value has room for 63 characters."""

_SHOWN = 40
_ALIAS = "graft-"
_PLAIN = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
_LONGEST = 40


def vertex_id(name: str) -> str:
    """Returns what a model, and the endpoint that serves it, is called at Vertex, whose IDs are of small letters, digits and dashes."""
    plain = re.sub(r"[^a-z0-9]+", "-", name.lower())[:_LONGEST].strip("-")
    if plain != name:
        plain = f"{plain}-{hashlib.sha256(name.encode()).hexdigest()[:8]}".lstrip("-")
    return f"graft-{plain}"


class VertexModels:
    """A model's versions in Vertex' Model Registry.

    All methods raise a GraftError if Vertex can't be reached, refuses, or holds a model of this name that Graft didn't upload.

    Args:
        client: Asks Vertex.
        name: The model's name.
        image: Image of the container that is to serve its versions.

    Attributes:
        resource: Its resource name.
    """

    def __init__(self, client: VertexClient, name: str, image: str) -> None:
        self._client, self._name, self._image = client, name, image
        self._service = client.service(api.ModelServiceClient)
        self._id = vertex_id(name)
        self.resource = f"{client.location}/models/{self._id}"

    def upload(self, version: str, artifact_uri: str, seconds: float) -> str:
        """Uploads a version, unless it is there already or being uploaded.

        Args:
            version: The version's name.
            artifact_uri: The folder that holds its `saved_model.pb`.
            seconds: How long Vertex may take.

        Returns:
            Its number at Vertex.
        """
        what = f"uploading the version {version[:12]}"
        if found := self._find(version, artifact_uri):
            return found
        for operation in self._under_way():
            self._client.wait(what, self._service, operation, seconds)
        operation = self._client.insist(what, lambda: self._start(version, artifact_uri))
        if operation:
            self._client.finish(what, self._service, operation, seconds)
        if found := self._find(version, artifact_uri):
            return found
        raise GraftError(f"{what}: Vertex has another upload of this model under way: try again when it is done.")

    def versions(self) -> dict[str, Any]:
        """Returns what Vertex holds of the versions that Graft uploaded, by their names."""
        self._exists()

        def pages() -> Sequence[Any]:
            try:
                return list(self._client.ask(self._service.list_model_versions, name=self.resource))
            except exceptions.NotFound:
                return []

        found = {}
        for model in self._client.insist("the model's versions", pages):
            for alias in model.version_aliases:
                if alias.startswith(_ALIAS) and VERSION_NAME.fullmatch(version := alias.removeprefix(_ALIAS)):
                    found[version] = model
        return found

    def describe(self, number: str, labels: Mapping[str, str], description: str) -> None:
        """Says of a version what Graft knows of it.

        Args:
            number: Its number at Vertex.
            labels: Its labels, besides `LABEL`.
            description: Text for people.
        """
        name = f"{self.resource}@{number}"
        model = self._client.call("the version", self._service.get_model, name=name)
        wanted = {**model.labels, **labels}
        if (dict(model.labels), model.version_description) != (wanted, description):
            changed = api.Model(name=name, labels=wanted, version_description=description)
            mask = {"paths": ["labels", "version_description"]}
            self._client.call("the version", self._service.update_model, model=changed, update_mask=mask)

    def move_aliases(self, number: str, aliases: Sequence[str]) -> None:
        """Gives a version aliases, which Vertex takes away from the version that had them."""
        name = f"{self.resource}@{number}"
        self._client.call("the aliases", self._service.merge_version_aliases, name=name, version_aliases=aliases)

    def _find(self, version: str, artifact_uri: str) -> str:
        name = f"{self.resource}@{_ALIAS}{version}"
        model = self._client.find("the model", self._service.get_model, name=name)
        if model is None:
            return ""
        if model.artifact_uri.rstrip("/") != artifact_uri:
            raise GraftError(
                f"{name} lies in {model.artifact_uri}, and not in {artifact_uri}: it is not what Graft uploads. "
                "Delete that version at Vertex."
            )
        return str(model.version_id)

    def _exists(self) -> bool:
        model = self._client.find("the model", self._service.get_model, name=self.resource)
        if model is not None and LABEL not in model.labels:
            raise GraftError(
                f"{self.resource} is not from Graft, which leaves it as it is: delete it, or name your model otherwise."
            )
        return model is not None

    def _under_way(self) -> list[str]:
        return self._client.under_way("the model", self._service, self.resource)

    def _start(self, version: str, artifact_uri: str) -> str:
        """Starts an upload, unless an attempt before has, and returns the operation."""
        if self._find(version, artifact_uri):
            return ""
        if under_way := self._under_way():
            return under_way[0]
        model = api.Model(
            display_name=self._name[:128],
            labels={LABEL: version[:_SHOWN]},
            version_aliases=[f"{_ALIAS}{version}"],
            artifact_uri=artifact_uri,
            container_spec=api.ModelContainerSpec(image_uri=self._image),
        )
        into = {"parent_model": self.resource} if self._exists() else {"model_id": self._id}
        request = api.UploadModelRequest(parent=self._client.location, model=model, **into)
        try:
            return str(self._client.ask(self._service.upload_model, request=request).operation.name)
        except exceptions.Conflict:  # somebody else makes the model at this moment
            return next(iter(self._under_way()), "")
