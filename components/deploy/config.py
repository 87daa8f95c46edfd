"""Where and how a model is brought into traffic."""

from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field

TargetKind = Literal["folder", "kserve", "vertex"]


@dataclass(frozen=True)
class DeployConfig:
    """Where and how a model is brought into traffic.

    Attributes:
        target: What serves the model: a `folder` that a server polls, `kserve` or a `vertex` endpoint.
        canary: Percent of the traffic that a new version gets at first; a person gives it the rest with `graft deploy promote`.
        timeout: Seconds that the target may take to bring a version up.
        to: folder: path or URI of the folder, in which the model gets a folder of its name.
        keep: folder: how many older versions stay.
    """

    target: TargetKind = "folder"
    canary: Annotated[int, Field(ge=1, le=100)] = 100
    timeout: Annotated[int, Field(ge=1)] = 900
    to: str = ""
    keep: Annotated[int, Field(ge=0)] = 1
