"""SHA256SUMS: the checksums of an Export's files, written last; their own digest names the version."""

import hashlib
import re
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

from graft.components.common import storage
from graft.components.common.errors import GraftError
from graft.components.common.storage import sha256_file

SUMS = "SHA256SUMS"
VERSIONS = "versions"
_DIGITS = 64
VERSION_NAME = re.compile(rf"[0-9a-f]{{{_DIGITS}}}")


def write_sums(folder: Path) -> str:
    """Writes the checksums of all files of a folder, in the format of sha256sum, and so marks it as complete.

    Returns:
        The digest of the checksums, which names the version.
    """
    files = sorted(path for path in folder.rglob("*") if path.is_file() and not path.name.startswith(".unfinished"))
    text = "".join(f"{sha256_file(path)}  {path.relative_to(folder).as_posix()}\n" for path in files)
    storage.write(str(folder / SUMS), text.encode())
    return digest_of(text.encode())


def digest_of(content: bytes) -> str:
    """Returns the digest that names the version with these checksums.

    Args:
        content: The bytes of its `SHA256SUMS`.
    """
    return hashlib.sha256(content).hexdigest()


def parse_sums(content: bytes, where: str) -> dict[str, str]:
    """Reads checksums.

    Args:
        content: The bytes of `SHA256SUMS`.
        where: What they belong to, for messages.

    Returns:
        SHA-256 as hex digits by the file's path in the folder, which stays within it.

    Raises:
        GraftError: They are damaged.
    """
    sums: dict[str, str] = {}
    try:
        for line in content.decode().splitlines():
            digest, path = line[:_DIGITS], line[_DIGITS + 2 :]
            parts = PurePosixPath(path).parts
            if line[_DIGITS : _DIGITS + 2] != "  " or not parts or "\\" in path or {"..", "/"} & set(parts):
                raise ValueError(line)
            bytes.fromhex(digest)
            sums[path] = digest
        if not sums:
            raise ValueError("no line")
    except ValueError as error:
        raise GraftError(
            f"The {SUMS} of {storage.redact(where)} is damaged: publish or export that version again."
        ) from error
    return sums


def read_sums(uri: str, downloads: Path) -> dict[str, str]:
    """Reads the checksums of an Export; those of a registry's version must be the ones that name it.

    Raises:
        GraftError: They can't be read or are damaged.
    """
    content = storage.fetch(f"{uri.rstrip('/')}/{SUMS}", downloads, keep=False).read_bytes()
    *_, parent, name = ("", "", *uri.rstrip("/").split("/"))
    if parent == VERSIONS and VERSION_NAME.fullmatch(name) and digest_of(content) != name:
        raise GraftError(
            f"The {SUMS} of {storage.redact(uri)} is not the one that names this version, it was changed: publish that version again."
        )
    return parse_sums(content, uri)


def fetch_checked(uri: str, path: str, sums: Mapping[str, str], downloads: Path) -> Path:
    """Makes a file of an Export readable at a local path, after checking that it is what was published.

    Raises:
        GraftError: It is missing, was changed, or can't be read.
    """
    if path not in sums:
        raise GraftError(f"{storage.redact(uri)} has no {path}: name a Model, or a version that has it.")
    return storage.fetch(f"{uri.rstrip('/')}/{path}", downloads, sums[path])
