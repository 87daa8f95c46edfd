"""The command that brings a mirror of a model's registry up to date."""

import dataclasses
from pathlib import Path

from graft.components.common.artifacts.signing.keys import verifying
from graft.components.common.config import configure
from graft.components.mirror.config import MirrorConfig
from graft.components.mirror.mirror import catch_up
from graft.pipelines.cli.models.profiles import named_registry, profile_at
from graft.pipelines.cli.options import given, options_over

MirrorOptions = options_over(MirrorConfig, "the profile")

# A person waits longer than a run, as for many versions that are mirrored for the first time.
_SECONDS = 600.0


def mirror(
    name: str,
    /,
    *,
    store: str = "",
    profile: Path | None = None,
    settings: MirrorOptions = MirrorOptions(),  # type: ignore[valid-type]  # noqa: B008 (frozen)
) -> None:
    """Brings another registry up to date with all that this one says of a model: MLflow's or Vertex's.

    Args:
        name: The model's name.
        store: Path or URI of the store; if not given, that of the profile.
        profile: YAML file of a profile, whose section `mirror` has the settings. Options win over it.
        settings: The other registry.
    """
    read = profile_at(profile)
    section = dataclasses.asdict(read.mirror) if read.mirror else {}
    config = configure("mirror", MirrorConfig, section, given(settings))
    with verifying(read.verify_key):
        print(catch_up(named_registry(name, store, read), config, _SECONDS).summary)
