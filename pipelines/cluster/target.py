"""Which cluster a command is about."""

import dataclasses
from pathlib import Path
from typing import Literal

from cyclopts import Parameter

Target = Literal["kubeflow", "vertex"]


@Parameter(name="*")
@dataclasses.dataclass(frozen=True)
class TargetOptions:
    """The target and its profile.

    Attributes:
        target: What runs the pipeline.
        profile: YAML file that says where the steps run: images, GPU, CPU, memory, retries, secrets. The target's
            default, with the images of images.json in the working directory, if not given.
        allow_tag: Take images by tag, for development; a cluster should get digests.
    """

    target: Target
    profile: Path | None = None
    allow_tag: bool = False
