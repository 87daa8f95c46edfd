"""What commands about a model read in a profile: its store and settings."""

from pathlib import Path

from graft.components.common.errors import GraftError
from graft.components.common.registry.registry import Registry
from graft.pipelines.cluster.profile.fields import Profile
from graft.pipelines.cluster.profile.reading import read_profile


def profile_at(path: Path | None) -> Profile:
    """Returns a profile; one that says nothing, if none is named.

    Raises:
        GraftError: It can't be read, or has what can't be.
    """
    return read_profile(path, "kubeflow") if path else Profile()


def named_registry(name: str, store: str, profile: Profile) -> Registry:
    """Returns a model's registry in a store, which is that of the profile if none is named.

    Raises:
        GraftError: Neither names one.
    """
    if not (place := store or profile.store):
        raise GraftError("Which store has the registry? Name it by --store, or in the profile.")
    return Registry(place, name)
