"""Checks, under the account that the pipeline runs with, of what would otherwise fail after an hour on a GPU."""

import secrets

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
