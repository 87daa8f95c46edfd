"""Checks, under the account that the pipeline runs with, of what would otherwise fail after an hour on a GPU."""

import os
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import requests

from graft.components.common import storage
from graft.components.common.errors import GraftError
from graft.components.train.network.weights import IMAGENET, IMAGENET_URL, check_weights

_SECONDS = 10


def check_store(store: str) -> None:
    """Writes, reads and deletes a probe in the store.

    Args:
        store: Path or URI of the store.

    Raises:
        GraftError: One of them failed; the message names the right to grant.
    """
    content = secrets.token_bytes(8)
    uri = f"{store.rstrip('/')}/.probe-{content.hex()}"
    fs, path = storage.filesystem(uri)
    with storage.access(store, "write"):
        fs.makedirs(path.rpartition("/")[0], exist_ok=True)
        fs.pipe_file(path, content)
        found = fs.cat_file(path)
        fs.rm_file(path)
    if found != content:
        raise GraftError(
            f"{storage.redact(store)} gives back other bytes than were written: it can't serve as a store."
        )


def check_weights_source(weights: str) -> None:
    """Checks that the weights can be had: a file's header is read, and Keras' own must be here or answer.

    Args:
        weights: `imagenet`, `random`, or path or URI of a Keras weights file.

    Raises:
        GraftError: They can't, or are another network's.
    """
    check_weights(weights)
    if weights != IMAGENET or _keras_copy().exists():
        return
    try:
        requests.head(IMAGENET_URL, timeout=_SECONDS, allow_redirects=True).raise_for_status()
    except requests.RequestException as error:
        raise GraftError(
            f"The ImageNet weights can't be reached from here ({type(error).__name__}): copy {_keras_copy().name} to where the "
            "steps can read it, and name that as weights."
        ) from error


def check_rivals(settings: Mapping[str, Any]) -> None:
    """Checks that the models which evaluate will compare with are there.

    Args:
        settings: Evaluate's settings.

    Raises:
        GraftError: One is no finished Model or Export, or can't be read.
    """
    from graft.components.common.artifacts.model_source import find_record
    from graft.components.evaluate.config import EvaluateConfig
    from graft.components.evaluate.rivals import named_rivals

    for uri in named_rivals(EvaluateConfig(**settings)).values():
        find_record(uri)


def _keras_copy() -> Path:
    """Returns where Keras keeps the ImageNet weights that it has downloaded."""
    home = Path(os.environ.get("KERAS_HOME") or Path.home() / ".keras")
    return home / "models" / IMAGENET_URL.rpartition("/")[2]
