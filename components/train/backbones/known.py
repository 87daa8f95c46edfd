"""The backbones that there are. Another one is a module of its own and its two lines here."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Literal

from graft.components.common.errors import GraftError
from graft.components.train.backbones.architecture import Architecture
from graft.components.train.backbones.efficientnet_v2_b0 import EFFICIENTNET_V2_B0
from graft.components.train.backbones.inception_v3 import INCEPTION_V3
from graft.components.train.backbones.mobilenet_v3_large import MOBILENET_V3_LARGE

BackboneName = Literal["inception_v3", "efficientnet_v2_b0", "mobilenet_v3_large"]
DEFAULT = INCEPTION_V3
ARCHITECTURES: Mapping[str, Architecture] = MappingProxyType(
    {architecture.name: architecture for architecture in (INCEPTION_V3, EFFICIENTNET_V2_B0, MOBILENET_V3_LARGE)}
)


def architecture_of(backbone: str) -> Architecture:
    """Returns what is known of a backbone.

    Raises:
        GraftError: There is none of that name.
    """
    if backbone not in ARCHITECTURES:
        raise GraftError(f"train: backbone can't be {backbone!r}: there are {', '.join(ARCHITECTURES)}.")
    return ARCHITECTURES[backbone]
