"""Checks, under the account that the pipeline runs with, of what would otherwise fail after an hour on a GPU."""

import secrets

from graft.components.common import storage
from graft.components.common.errors import GraftError
from graft.components.common.findings import Finding


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
    except storage.MissingError as error:
        raise GraftError(
            f"{storage.redact(store)} can't be made: the folder or bucket that it is to be in doesn't exist. Make that, or name another "
            "place."
        ) from error
    except GraftError as error:  # it speaks of the probe
        raise GraftError(str(error).replace(storage.redact(uri), storage.redact(store))) from error
    if found != content:
        raise GraftError(
            f"{storage.redact(store)} gives back other bytes than were written: it can't serve as a store."
        )


def look_at_store(store: str) -> Finding:
    """Tells whether a store can be read and written.

    A local one that isn't there is not made: the nearest folder above it that is there is tried instead.

    Args:
        store: Its path or URI.

    Raises:
        GraftError: It can't.
    """
    local = storage.local_path(store)
    tried = str(storage.existing(local)) if local else store
    try:
        check_store(tried)
    except GraftError as error:  # it speaks of what was tried
        raise GraftError(str(error).replace(storage.redact(tried), storage.redact(store), 1)) from error
    return Finding("Store", ok=True, text=f"{storage.redact(store)} can be read and written")
