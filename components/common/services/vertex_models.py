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

CHAMPION = "champion"
"""The alias of the latest version."""

LABEL = "graft_version"
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
        if found := self._find(version, artifact_uri):
            return found
        model = api.Model(
            display_name=self._name[:128],
            labels={LABEL: version[:_SHOWN]},
            version_aliases=[f"{_ALIAS}{version}"],
            artifact_uri=artifact_uri,
            container_spec=api.ModelContainerSpec(image_uri=self._image),
        )
        into = {"parent_model": self.resource} if self._exists() else {"model_id": self._id}
        request = api.UploadModelRequest(parent=self._client.location, model=model, **into)
        if operation := self._client.start(what, self._service.upload_model, request, self._under_way):
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
        for model in filter(
            lambda model: model.version_id.isdecimal(), self._client.insist("the model's versions", pages)
        ):
            for alias in model.version_aliases:
                if alias.startswith(_ALIAS) and VERSION_NAME.fullmatch(version := alias.removeprefix(_ALIAS)):
                    found[version] = model
        return found

    def describe(self, number: str, labels: Mapping[str, str], description: str | None) -> None:
        """Says of a version what Graft knows of it.

        Args:
            number: Its number at Vertex.
            labels: Labels; others stay.
            description: Text for people; None leaves it.
        """
        name = f"{self.resource}@{number}"
        model = self._client.call("the version", self._service.get_model, name=name)
        paths = ["labels"] if description is None else ["labels", "version_description"]
        changed = api.Model(name=name, labels={**model.labels, **labels}, version_description=description or "")
        self._client.call("the version", self._service.update_model, model=changed, update_mask={"paths": paths})

    def crown(self, number: str | None) -> None:
        """Moves the aliases `champion` and `default` to a version; with None no version is champion."""
        aliases, at = [CHAMPION, "default"], number
        if number is None:
            model = self._client.find("the champion", self._service.get_model, name=f"{self.resource}@{CHAMPION}")
            if model is None:
                return
            aliases, at = [f"-{CHAMPION}"], model.version_id
        merge, name = self._service.merge_version_aliases, f"{self.resource}@{at}"
        self._client.call("the aliases", merge, name=name, version_aliases=aliases)

    def delete(self, number: str, seconds: float) -> None:
        """Deletes a version, unless it is gone.

        Args:
            number: Its number at Vertex.
            seconds: How long Vertex may take.
        """
        what, delete = f"deleting the version {number}", self._service.delete_model_version
        if deleting := self._client.find(what, delete, name=f"{self.resource}@{number}"):
            self._client.finish(what, self._service, deleting.operation.name, seconds)

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
