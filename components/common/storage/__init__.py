"""Storage: reading and writing at a path or URI, local or remote."""

from graft.components.common.storage.files import (
    absolute,
    access,
    content_version,
    exists,
    filesystem,
    info,
    list_files,
    list_tree,
    redact,
    remove_file,
    walk,
    write_file,
    written_at,
)

__all__ = [
    "absolute",
    "access",
    "content_version",
    "exists",
    "filesystem",
    "info",
    "list_files",
    "list_tree",
    "redact",
    "remove_file",
    "walk",
    "write_file",
    "written_at",
]
