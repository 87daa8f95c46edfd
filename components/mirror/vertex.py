"""Vertex's Model Registry as a mirror of Graft's."""

import re
from collections.abc import Mapping
from typing import Any, ClassVar

from graft.components.common import storage
from graft.components.common.artifacts.export import Export
from graft.components.common.services.vertex import VertexClient
from graft.components.common.services.vertex_models import CHAMPION, VertexModels
from graft.components.mirror.config import MirrorConfig
from graft.components.mirror.other_registry import STATE_TAG, Copy, Entry, OtherRegistry

_DESCRIPTION = "description"


def open_vertex(config: MirrorConfig, name: str, seconds: float | None = None) -> OtherRegistry:
    """Returns a model of Vertex's Model Registry, by Google's default credentials.

    Args:
        config: The project, its region, and the image that is to serve the versions.
        name: The model's name.
        seconds: How long it may take in all; None for as long as a run has for it.

    Raises:
        GraftError: There are no credentials.
    """
    return VertexRegistry(VertexModels(VertexClient(config.project, config.location), name, config.image), seconds)


class VertexRegistry(OtherRegistry):
    """A model of Vertex's Model Registry. Its first version makes it. A version's state is a label, and its figures are its description.

    Args:
        models: The model.
        seconds: How long it may take in all; None for as long as a run has for it.
    """

    # Vertex takes about a minute for an upload.
    SECONDS: ClassVar[float] = 120.0

    def __init__(self, models: VertexModels, seconds: float | None = None) -> None:
        super().__init__(models.resource, seconds)
        self._models = models

    def look(self) -> list[Copy]:
        """Returns the versions that Graft uploaded."""
        return [_copy(version, model) for version, model in self._models.versions().items()]

    def tags(self, entry: Entry) -> Mapping[str, str]:
        """Returns a label, and a description for people."""
        figures = ", ".join(f"{name} {value:.6g}" for name, value in entry.metrics.items())
        digests = f"Version {entry.version}, model {entry.model_digest}, dataset {entry.dataset_digest}"
        state = re.sub(r"[^a-z0-9]+", "-", entry.state.value)  # a label has no spaces
        return {STATE_TAG: state, _DESCRIPTION: f"{digests}: {figures}"}

    def add(self, entry: Entry) -> Copy:
        """Uploads a version: Vertex reads it from the store."""
        export = Export.parse(storage.read(f"{entry.uri}/{Export.FILE}"), f"{entry.uri}/{Export.FILE}")
        folder = f"{entry.uri}/{export.saved_model}"
        number = self._models.upload(entry.version, folder, self.left())
        return Copy(int(number), entry.version, entry.uri, {})

    def tag(self, number: int, tags: Mapping[str, str]) -> None:
        """Changes a version's labels and description."""
        labels = {key: value for key, value in tags.items() if key != _DESCRIPTION}
        self._models.describe(str(number), labels, tags.get(_DESCRIPTION))

    def remove(self, number: int) -> None:
        """Deletes a version, which Vertex refuses while it is deployed."""
        self._models.delete(str(number), self.left())

    def crown(self, number: int | None) -> None:
        """Moves the alias `champion`, and with it `default`, which is what Vertex deploys where no version is named."""
        self._models.crown(None if number is None else str(number))


def _copy(version: str, model: Any) -> Copy:
    folder, _, _ = str(model.artifact_uri).partition(f"/{version}/")
    tags = {**model.labels, _DESCRIPTION: str(model.version_description)}
    return Copy(int(model.version_id), version, f"{folder}/{version}", tags, CHAMPION in model.version_aliases)
