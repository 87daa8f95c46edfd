"""Gone soon: use `storage.fetch` and `storage.put`."""

from graft.components.common.storage.download import fetch
from graft.components.common.storage.verbs import put as upload

__all__ = ["fetch", "upload"]
