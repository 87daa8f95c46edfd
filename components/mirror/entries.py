"""What the registry says of a model's versions, as it is to be mirrored."""

import logging
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor

from graft.components.common.artifacts.latest import Latest
from graft.components.common.errors import GraftError
from graft.components.common.registry.registry import Registry
from graft.components.common.registry.versions import about
from graft.components.mirror.other_registry import Entry

log = logging.getLogger("graft")

_READERS = 8


def read_entries(registry: Registry, latest: Latest, whole: Mapping[str, float]) -> list[Entry]:
    """Returns the versions as they are to be mirrored, but for those whose records are damaged.

    Args:
        registry: The model's registry.
        latest: What its `latest.json` says.
        whole: When each finished version was published.

    Returns:
        The oldest first, so that numbers count up.
    """
    order = sorted(whole, key=lambda version: whole[version])
    with ThreadPoolExecutor(_READERS) as readers:
        return list(filter(None, readers.map(lambda version: _entry(registry, version, latest), order)))


def _entry(registry: Registry, version: str, latest: Latest) -> Entry | None:
    """Returns a version as it is to be mirrored; None where its records are damaged."""
    try:
        evaluation = registry.versions.evaluation(version)
    except GraftError as error:
        log.warning("a version is not mirrored: %s", error)
        return None
    metrics = evaluation.metrics
    figures = {
        "accuracy": metrics.accuracy,
        "accuracy_low": metrics.accuracy_interval[0],
        "accuracy_high": metrics.accuracy_interval[1],
        "loss": metrics.loss,
        "auc": metrics.auc,
        "average_precision": metrics.average_precision,
        "ece": metrics.ece,
        "images": evaluation.images,
    }
    return Entry(
        version=version,
        uri=registry.versions.uri(version),
        state=latest.state(version, about(version, evaluation)),
        model_digest=evaluation.model_digest,
        dataset_digest=evaluation.trained_on_digest,
        metrics={name: figure for name, figure in figures.items() if figure is not None},
    )
