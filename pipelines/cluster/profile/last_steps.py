"""The sections of a profile that give a run last steps: each is the configuration of its step."""

import dataclasses
import json
from typing import Annotated, Any

from pydantic import ConfigDict, ValidatorFunctionWrapHandler, WrapValidator, with_config

from graft.components.common.errors import GraftError
from graft.components.deploy.config import DeployConfig
from graft.components.mirror.config import MirrorConfig

_LIKE_A_SECTION = ConfigDict(extra="forbid", coerce_numbers_to_str=True)


@with_config(_LIKE_A_SECTION)
@dataclasses.dataclass(frozen=True)
class Deploy(DeployConfig):
    """Where and how the model is brought into traffic after export; without it, it isn't."""


@with_config(_LIKE_A_SECTION)
@dataclasses.dataclass(frozen=True)
class Mirror(MirrorConfig):
    """Another registry, which is told after export what Graft's says; without it, none is."""


def _checked(value: object, make: ValidatorFunctionWrapHandler) -> Any:
    """Makes a step's configuration; what the step itself says against it is said with the line in the profile."""
    try:
        return make(value)
    except GraftError as error:  # which begins with the step's name, as the profile's own errors do
        raise ValueError(str(error).replace("\n", " ").partition(": ")[2].rstrip(".")) from error


DeploySection = Annotated[Deploy, WrapValidator(_checked)]
MirrorSection = Annotated[Mirror, WrapValidator(_checked)]


def as_json(config: DeployConfig | MirrorConfig | None) -> str:
    """Returns what a step is given of its configuration, which is what differs from the defaults; nothing without the step."""
    if config is None:
        return ""
    given = {
        field.name: getattr(config, field.name)
        for field in dataclasses.fields(config)
        if getattr(config, field.name) != field.default
    }
    return json.dumps(given)
