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
        target: Where the pipeline runs: Kubeflow Pipelines or Vertex AI.
        profile: YAML file that says where the steps run: images, GPU, CPU, memory, retries, secrets. If not given:
            the target's default profile, with the images of images.json in the working directory.
        allow_tag: Accept images by tag, for development. A tag can be moved, so a cluster should get digests.
    """

    target: Target
    profile: Path | None = None
    allow_tag: bool = False
