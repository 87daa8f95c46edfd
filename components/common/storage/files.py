"""Gone soon: the functions that the verbs take the place of."""

from typing import Any

import fsspec
from fsspec.implementations.local import make_path_posix

from graft.components.common.storage.access import access
from graft.components.common.storage.entries import content_version
from graft.components.common.storage.places import locate
from graft.components.common.storage.retries import persist, request
from graft.components.common.storage.uris import redact
from graft.components.common.storage.verbs import write

__all__ = [
    "content_version",
    "filesystem",
    "info",
    "list_files",
    "list_tree",
    "redact",
    "remove_file",
    "write_file",
    "written_at",
]

write_file = write


def filesystem(uri: str) -> tuple[Any, str]:
    """Use the verbs."""
    place = locate(uri)
    return (fsspec.filesystem("file"), make_path_posix(str(place.local))) if place.local else (place.fs, place.path)


def info(uri: str) -> dict[str, Any]:
    """Use `stat`."""
    fs, path = filesystem(uri)
    with access(uri):
        fs.invalidate_cache(path)
        found: dict[str, Any] = persist(lambda: request(fs, "info", path))
    return found


def list_files(uri: str, suffix: str) -> list[tuple[str, int]]:
    """Use `list`."""
    fs, folder = filesystem(uri)
    with access(uri):
        fs.invalidate_cache(folder)
        try:
            entries = persist(lambda: fs.ls(folder, detail=True))
        except FileNotFoundError:
            return []
    return [(entry["name"], entry["size"]) for entry in entries if entry["name"].endswith(suffix)]


def list_tree(uri: str) -> dict[str, dict[str, Any]]:
    """Use `list`."""
    fs, folder = filesystem(uri)
    with access(uri):
        fs.invalidate_cache()
        found: dict[str, dict[str, Any]] = persist(lambda: fs.find(folder, detail=True))
    return found


def written_at(entry: dict[str, Any]) -> float:
    """Use `Entry.written_at`."""
    when = entry.get("LastModified") or entry.get("mtime") or entry["created"]
    return float(when.timestamp() if hasattr(when, "timestamp") else when)


def remove_file(uri: str, path: str) -> None:
    """Use `delete`."""
    fs, _ = filesystem(uri)
    with access(uri, "write"):
        try:
            persist(lambda: request(fs, "rm_file", path))
        except FileNotFoundError:
            return
