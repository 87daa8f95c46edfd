"""Publishing an Export in the store's registry, and making it the latest version if nothing speaks against it."""

import dataclasses
import logging
from pathlib import Path

from graft.components.common.artifacts.records import read_record
from graft.components.common.registry.latest import NotPromotedError
from graft.components.common.registry.registry import Registry
from graft.components.common.runs.step_record import Run

log = logging.getLogger("graft")


@dataclasses.dataclass(frozen=True)
class Published:
    """Where an Export was published.

    Attributes:
        uri: Path or URI of the version; empty where there is no store.
        promoted: Whether it is the latest version.
        reason: Why it is not; empty if it is, or nothing was published.
    """

    uri: str = ""
    promoted: bool = False
    reason: str = ""


def publish(export: Path, evaluation: Path, run: Run, *, promote: bool) -> Published:
    """Publishes an Export and promotes it, if it was compared with the version that is the latest.

    Args:
        export: The Export's directory.
        evaluation: Its Evaluation.
        run: The run, whose store has the registry; without a store nothing is done.
        promote: Whether to promote it; else a person decides.

    Raises:
        GraftError: The store can't be read or written.
    """
    if not run.store:
        return Published()
    registry = Registry(run.store, run.name)
    version = registry.versions.publish(export)
    uri = registry.versions.uri(version)
    if not promote:
        return Published(uri, reason=f"a person decides: {registry.command('promote', version[:12])}")
    met = read_record(evaluation, "evaluation.json")["comparisons"]["champion"]
    try:
        registry.challenge(version, met["model_digest"] if met else None)
    except NotPromotedError as error:
        log.warning("published, but not promoted: %s", error)
        return Published(uri, reason=str(error))
    return Published(uri, promoted=True)
