"""Where and how a model is brought into traffic."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field

from graft.components.common import storage
from graft.components.common.errors import GraftError, raise_all

TargetKind = Literal["folder", "kserve", "vertex"]


@dataclass(frozen=True)
class DeployConfig:
    """Where and how a model is brought into traffic.

    Attributes:
        target: What serves the model: a `folder` that a server polls, `kserve` or a `vertex` endpoint.
        canary: Percent of the traffic that a new version gets at first; a person gives it the rest with `graft deploy promote`.
        timeout: Seconds that the target may take to bring a version up.
        to: folder: path or URI of the folder, in which the model gets a folder of its name.
        keep: folder, vertex: how many older versions stay, at Vertex deployed without traffic, each with its machine.
        project: vertex: the project's ID.
        location: vertex: the region, such as `europe-west4`.
        image: vertex: image of a prebuilt TensorFlow 2 container, which serves the versions uploaded from now on.
        endpoint: vertex: ID of the endpoint, which Graft makes; if not given, `graft-` and the model's name.
        machine_type: vertex: the machine that a version is served by.
        replicas: kserve, vertex: how many pods or machines a version has at least.
        max_replicas: vertex: how many it has at most, as traffic asks for them.
        service_account: kserve, vertex: the account that the containers run under; if not given, the namespace's default, or Google's own
            without rights.
        namespace: kserve: the namespace of the InferenceService, which has the model's name.
        runtime_version: kserve: the tag of TensorFlow Serving's image, 2.12 or later.
        ingress: kserve: address of the cluster's ingress, for machines that don't know the services by name; if not given, they do.
    """

    target: TargetKind = "folder"
    canary: Annotated[int, Field(ge=1, le=100)] = 100
    timeout: Annotated[int, Field(ge=1)] = 900
    to: str = ""
    keep: Annotated[int, Field(ge=0)] = 1
    project: str = ""
    location: str = ""
    image: str = ""
    # Six characters less than an ID may have: "-check" is the second endpoint's.
    endpoint: Annotated[str, Field(pattern=r"^([a-z][a-z0-9-]{0,55}[a-z0-9])?$")] = ""
    machine_type: str = "n1-standard-4"
    replicas: Annotated[int, Field(ge=1)] = 1
    max_replicas: Annotated[int, Field(ge=1)] = 1
    service_account: str = ""
    namespace: Annotated[str, Field(pattern=r"^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$")] = "default"
    runtime_version: Annotated[str, Field(pattern=r"^[\w][\w.-]{0,127}$")] = "2.19.1"
    ingress: Annotated[str, Field(pattern=r"^(https?://[^/@?#\s]+/?)?$")] = ""

    def __post_init__(self) -> None:
        """Checks that it is about one target.

        Raises:
            GraftError: A field is of another target, or one that the target needs is missing.
        """
        needed, _ = _FIELDS[self.target]
        problems = [
            f"deploy: {name} is missing: the target {self.target} needs it."
            for name in needed
            if not getattr(self, name)
        ]
        own = {name for names in _FIELDS[self.target] for name in names}
        for field in dataclasses.fields(self):
            targets = [target for target, names in _FIELDS.items() if field.name in (*names[0], *names[1])]
            if targets and field.name not in own and getattr(self, field.name) != field.default:
                problems.append(
                    f"deploy: {field.name} is for the target {' or '.join(targets)}, and the target is {self.target}: leave it out."
                )
        if (shown := storage.redact(self.to)) != self.to:
            problems.append(
                f"deploy: to holds a user name, password or query string beside {shown}, which others could read: leave it out."
            )
        raise_all(map(GraftError, problems))


# The fields that are for some targets alone: those that a target needs, and those that it takes.
_FIELDS: Mapping[TargetKind, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "folder": (("to",), ("keep",)),
    "kserve": ((), ("replicas", "service_account", "namespace", "runtime_version", "ingress")),
    "vertex": (
        ("project", "location", "image"),
        ("keep", "endpoint", "machine_type", "replicas", "max_replicas", "service_account"),
    ),
}
