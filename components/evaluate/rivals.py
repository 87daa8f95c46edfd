"""Which models the new one is compared with: those that are named, else what the registry has."""

import contextlib
import logging

from graft.components.common.registry.registry import Registry
from graft.components.common.runs.step_record import Run
from graft.components.evaluate.config import EvaluateConfig
from graft.components.evaluate.contender import Contender, OtherClassesError, open_contender

log = logging.getLogger("graft")

ROLES = ("champion", "anchor")
NONE = "none"


def named_rivals(config: EvaluateConfig) -> dict[str, str]:
    """Returns the paths or URIs of the models that the settings name, by role.

    Args:
        config: The step's settings.
    """
    named = {"champion": config.champion, "anchor": config.anchor}
    return {role: uri for role, uri in named.items() if uri not in ("", NONE)}


def open_rivals(
    config: EvaluateConfig, run: Run, classes: list[str], opened: contextlib.ExitStack
) -> dict[str, Contender]:
    """Makes the models to compare with readable, by role.

    A version of the registry that tells other classes apart can't be compared with: that is logged, and the version is not
    met, so that what is published here won't be promoted over it.

    Args:
        config: The step's settings.
        run: The run, whose store has the registry; without a store only named models are met.
        classes: The classes that they have to tell apart.
        opened: Closes them.

    Raises:
        GraftError: One is no finished Model or Export, is damaged, or can't be read; a named one tells other classes apart.
    """
    rivals = {role: opened.enter_context(open_contender(uri, classes)) for role, uri in named_rivals(config).items()}
    registered = _registered(config, run)
    for uri in dict.fromkeys(registered.values()):  # champion and anchor are often the same: it is downloaded once
        try:
            found = opened.enter_context(open_contender(uri, classes))
        except OtherClassesError as error:
            log.warning("%s", error)
        else:
            rivals |= {role: found for role, version in registered.items() if version == uri}
    return rivals


def _registered(config: EvaluateConfig, run: Run) -> dict[str, str]:
    if not run.store or (config.champion and config.anchor):
        return {}
    registry = Registry(run.store, run.name)
    latest, best = registry.latest().version, registry.best()
    found = {"champion": latest, "anchor": best.version if best else None}
    named = {"champion": config.champion, "anchor": config.anchor}
    return {role: registry.versions.uri(version) for role, version in found.items() if version and not named[role]}
