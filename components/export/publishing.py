"""Publishing an Export in the store's registry, and making it the latest version if nothing speaks against it."""

import logging
from pathlib import Path

from graft.components.common.artifacts.evaluation import Evaluation
from graft.components.common.artifacts.outcomes.results import Published
from graft.components.common.errors import NotPromotedError
from graft.components.common.registry.registry import Registry
from graft.components.common.runs.run import Run

log = logging.getLogger("graft")


def publish(export: Path, evaluation: Evaluation, run: Run, *, promote: bool) -> Published:
    """Publishes an Export and, if asked to, promotes it where it was compared with the version that is the latest.

    Args:
        export: The Export's folder.
        evaluation: Says which champion the model was compared with, if any.
        run: Names the store that has the registry; without a store nothing is done.
        promote: Whether to promote it; else a person decides.

    Raises:
        GraftError: The store can't be read or written.
    """
    if not run.store:
        return Published()
    registry = Registry(run.store, run.name)
    version = registry.publish(export)
    uri = registry.versions.uri(version)
    if not promote:
        return Published(
            uri=uri, reason=f"promote is manual; a person decides with {registry.command('promote', version[:12])}"
        )
    comparisons, champion = evaluation.comparisons, evaluation.comparisons.champion
    left_out = comparisons.why_not("champion") if "champion" in comparisons.left_out else ""
    try:
        registry.challenge(version, champion.model_digest if champion else None, left_out)
    except NotPromotedError as error:
        log.warning("published, but not promoted: %s", error)
        return Published(uri=uri, reason=str(error))
    return Published(uri=uri, promoted=True)
