"""The mirror step: another registry is told what is in Graft's, and nothing is read back from it as true."""

from graft.components.common.artifacts.results import MirrorResult
from graft.components.common.errors import GraftError
from graft.components.common.registry.registry import Registry
from graft.components.mirror.config import VERTEX, MirrorConfig
from graft.components.mirror.other_registry import OtherRegistry


def mirror(registry: Registry, config: MirrorConfig, seconds: float | None = None) -> MirrorResult:
    """Brings another registry up to date with all that Graft's says of a model. Where it is, nothing changes.

    It raises nothing on the other registry's account: what kept it from being brought up to date is the result's `problem`.

    Args:
        registry: The model's registry.
        config: The other one.
        seconds: How long that may take; None for as long as a run has for it.
    """
    raise NotImplementedError


def open_other(config: MirrorConfig, name: str, until: float) -> OtherRegistry:
    """Returns the other registry's model.

    Args:
        config: The other registry.
        name: The model's name.
        until: The moment of `time.monotonic` after which nothing is asked any more.
    """
    if config.to == VERTEX:
        raise GraftError("mirror: vertex comes soon.")
    raise NotImplementedError
