"""Storage: verbs for files at a path or URI, local or remote. What lies behind them is seen nowhere else."""

from graft.components.common.storage.disk import existing, look_at_disk
from graft.components.common.storage.entries import Entry
from graft.components.common.storage.listing import PAGE, list_pages
from graft.components.common.storage.listing import list_files as list
from graft.components.common.storage.local import (
    flush,
    flush_folder,
    make_folder,
    rename_folder,
    scratch_folder,
    sha256_file,
)
from graft.components.common.storage.looking import exists, is_folder, stat, version
from graft.components.common.storage.places import local_path
from graft.components.common.storage.swap import Seen, look, swap
from graft.components.common.storage.transfers.download import fetch
from graft.components.common.storage.transfers.download_cache import cache_root
from graft.components.common.storage.troubles.access import FileError, MissingError, access
from graft.components.common.storage.uri_files import SUFFIX, uri_in
from graft.components.common.storage.uris import (
    Reach,
    absolute,
    brief,
    check_text,
    is_web,
    join,
    redact,
    uris_in_text,
    without_secrets,
)
from graft.components.common.storage.verbs import delete, delete_folder, open, put, read, read_as, write
from graft.components.common.storage.walking import walk

__all__ = [
    "PAGE",
    "SUFFIX",
    "Entry",
    "FileError",
    "MissingError",
    "Reach",
    "Seen",
    "absolute",
    "access",
    "brief",
    "cache_root",
    "check_text",
    "delete",
    "delete_folder",
    "existing",
    "exists",
    "fetch",
    "flush",
    "flush_folder",
    "is_folder",
    "is_web",
    "join",
    "list",
    "list_pages",
    "local_path",
    "look",
    "look_at_disk",
    "make_folder",
    "open",
    "put",
    "read",
    "read_as",
    "redact",
    "rename_folder",
    "scratch_folder",
    "sha256_file",
    "stat",
    "swap",
    "uri_in",
    "uris_in_text",
    "version",
    "walk",
    "without_secrets",
    "write",
]
