"""Checks, under the account that the pipeline runs with, of what would otherwise fail after an hour on a GPU."""

import secrets
from collections.abc import Mapping
from typing import Any

from graft.components.common import storage
from graft.components.common.errors import GraftError


def check_store(store: str) -> None:
    """Writes, reads and deletes a probe in the store.

    Raises:
        GraftError: One of them failed; the message names the right to grant.
    """
    content = secrets.token_bytes(8)
    uri = f"{store.rstrip('/')}/.probe-{content.hex()}"
    try:
        storage.write(uri, content)
        found = storage.read(uri)
        storage.delete(uri)
    except GraftError as error:  # it speaks of the probe
        raise GraftError(str(error).replace(storage.redact(uri), storage.redact(store))) from error
    if found != content:
        raise GraftError(
            f"{storage.redact(store)} gives back other bytes than were written: it can't serve as a store."
        )


def check_baselines(settings: Mapping[str, Any]) -> None:
    """Checks that the models which evaluate will compare with are there.

    Raises:
        GraftError: One is no finished Model or Export, or can't be read.
    """
    from graft.components.common.artifacts.model_source import find_record
    from graft.components.evaluate.config import EvaluateConfig

    for uri in EvaluateConfig(**settings).named_baselines.values():
        find_record(uri)
