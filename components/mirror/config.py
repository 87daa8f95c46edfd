"""Which other registry mirrors a model's versions."""

import re
from dataclasses import dataclass

from graft.components.common import storage
from graft.components.common.errors import GraftError

VERTEX = "vertex"
"""What names Vertex's Model Registry."""

_ADDRESS = re.compile(r"https?://[^\s/]+(/\S*)?")


@dataclass(frozen=True)
class MirrorConfig:
    """Which other registry mirrors a model's versions. Its credentials come from the environment, never from here.

    Attributes:
        to: Address of an MLflow tracking server, or `vertex` for Vertex's Model Registry.
        project: vertex: the Google Cloud project.
        location: vertex: the region.
        image: vertex: image of a prebuilt TensorFlow 2 container, which is to serve the versions.
    """

    to: str = ""
    project: str = ""
    location: str = ""
    image: str = ""

    def __post_init__(self) -> None:
        """Refuses an address that is none, or holds what may be secret, and settings of the other kind.

        Raises:
            GraftError: It does.
        """
        if self.to == VERTEX:
            if not self.project or not self.location or not self.image:
                raise GraftError("mirror: Vertex's Model Registry needs project, location and image.")
            return
        if not self.to:
            raise GraftError("mirror: to is missing: name the address of an MLflow tracking server, or vertex.")
        shown = storage.redact(self.to)
        if not _ADDRESS.fullmatch(shown):
            raise GraftError(
                f"mirror: to can't be {shown!r}: name the address of an MLflow tracking server, such as https://mlflow.example.com, "
                "or vertex."
            )
        if shown != self.to:
            raise GraftError(
                f"mirror: to holds a user name, password or query string beside {shown}, which others could read: leave it out, and "
                "set MLFLOW_TRACKING_TOKEN, or MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, in the environment."
            )
        if self.project or self.location or self.image:
            raise GraftError("mirror: project, location and image are for vertex alone: leave them out.")
