"""What a local run's pipeline is given: the parameters as they hold for steps that run in other folders, and what is refused."""

import dataclasses
import json
from pathlib import Path
from typing import Any

from graft.components.common import storage
from graft.components.common.config import section
from graft.components.common.errors import GraftError
from graft.components.common.parameters import Parameters
from graft.components.train.backbones.weights import NAMED


def local_arguments(parameters: Parameters, store: str) -> tuple[dict[str, Any], list[str]]:
    """Returns the pipeline's arguments, with absolute paths, and the local paths among them that steps read.

    Args:
        parameters: The pipeline's parameters.
        store: Path or URI of the run's store.

    Raises:
        GraftError: A path is no UTF-8, or a URI has a query string.
    """
    for value in (parameters.source, parameters.weights, store):
        storage.check_text(value)
        _refuse_query(value)
    for text in (parameters.config, parameters.recipe):
        for uri in storage.uris_in_text(text):
            _refuse_query(uri)
    source = absolute(parameters.source)
    weights = parameters.weights if parameters.weights in NAMED else absolute(parameters.weights)
    config, corrections = _with_absolute_corrections(parameters.config)
    given = {"source": source, "weights": weights, "store": store, "config": config}
    inputs = [path for path in (source, weights, corrections) if path.startswith("/") and Path(path).exists()]
    return dataclasses.asdict(parameters) | given, inputs


def absolute(path: str) -> str:
    """Returns a local path resolved, since steps run elsewhere; a URI stays as it is."""
    return path if "://" in path else str(Path(path).resolve())


def refuse_python3(*values: str) -> None:
    """Refuses what kfp's SubprocessRunner would silently rewrite: `python3` anywhere in a step's arguments.

    Raises:
        GraftError: A value contains it.
    """
    for value in values:
        if "python3" in value:
            raise GraftError(
                f"{storage.redact(value)} contains 'python3', which kfp's local runner would replace: "
                "use a path without it, or --runner docker."
            )


def _with_absolute_corrections(config: str) -> tuple[str, str]:
    """Returns the pipeline's `config` with the list of corrections that it names resolved, and that; nothing if it names none."""
    named = section(config, "ingest").get("corrections")
    if not isinstance(named, str) or not named:
        return config, ""
    sections = json.loads(config)
    sections["ingest"]["corrections"] = absolute(named)
    return json.dumps(sections), sections["ingest"]["corrections"]


def _refuse_query(uri: str) -> None:
    """Refuses what would stand in the steps' command lines, where other users of this machine see it.

    Raises:
        GraftError: A URI has a query string, which may be a signature.
    """
    if storage.redact(uri) != uri:
        raise GraftError(
            f"{storage.redact(uri)} has a query string, which the list of processes would show: write the URI alone into a file, such "
            f"as source{storage.SUFFIX}, that only you can read, and name that file instead."
        )
