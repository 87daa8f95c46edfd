"""The checksums of an Export: they mark it as complete, name it as a version, and tell whether a file is what was published."""

import hashlib
import re
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

from graft.components.common import storage
from graft.components.common.artifacts.model import Model
from graft.components.common.artifacts.signing.signed_sums import check_signed, is_signature, sign_sums
from graft.components.common.errors import GraftError

SUMS = "SHA256SUMS"
VERSIONS = "versions"
_SAVED_MODEL = "saved_model.pb"
_DIGITS = 64
VERSION_NAME = re.compile(rf"[0-9a-f]{{{_DIGITS}}}")


def write_sums(folder: Path) -> str:
    """Writes the checksums of all files of a folder, in the format of sha256sum, and so marks it as complete.

    They are signed, if a private key is configured. They are written once all else is on the disk: no crash leaves them and not the files.

    Returns:
        The digest of the checksums, which names the version.
    """
    found = (path for path in folder.rglob("*") if path.is_file() and not path.name.startswith(".unfinished"))
    files = sorted(path for path in found if not is_signature(path.relative_to(folder).as_posix()))
    text = "".join(f"{storage.sha256_file(path)}  {path.relative_to(folder).as_posix()}\n" for path in files)
    sign_sums(str(folder), text.encode())
    storage.flush_folder(folder)
    storage.write(str(folder / SUMS), text.encode())
    return digest_of(text.encode())


def digest_of(content: bytes) -> str:
    """Returns the digest that names the version whose `SHA256SUMS` has these bytes."""
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
            if (
                line[_DIGITS : _DIGITS + 2] != "  "
                or not parts
                or "\\" in path
                or path.startswith("/")
                or ".." in parts
            ):
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


def version_named(uri: str) -> str:
    """Returns the version that a path or URI names by its last two parts, links followed or not; empty if it names none."""
    local = storage.local_path(uri)
    for place in (local, local.resolve()) if local else (PurePosixPath(uri.rstrip("/")),):
        if place.parent.name == VERSIONS and VERSION_NAME.fullmatch(place.name):
            return place.name
    return ""


def read_sums_file(uri: str) -> bytes:
    """Returns the bytes of an Export's checksums. Those of a registry's version must be the ones that name it.

    Raises:
        GraftError: They can't be read, or were changed.
    """
    content = storage.read(f"{uri.rstrip('/')}/{SUMS}")
    if version_named(uri) not in ("", digest_of(content)):
        raise GraftError(
            f"The {SUMS} of {storage.redact(uri)} is not the one that names this version, it was changed: publish that version again."
        )
    return content


def read_sums(uri: str) -> dict[str, str]:
    """Reads the checksums of an Export: only what they list is part of it. Those of a registry's version must be the ones that name it.

    Where a key to verify by is configured, it must have signed them: whoever loads an Export comes by here.

    Raises:
        GraftError: They can't be read, are damaged or not signed, or a folder that a runtime is given whole has files that they don't
            list.
    """
    content = read_sums_file(uri)
    check_signed(uri, content)
    sums = parse_sums(content, uri)
    if storage.is_web(uri):  # where nothing can be listed, and Graft itself asks for listed files alone
        return sums
    for folder in sorted({path.partition("/")[0] for path in sums if path.endswith(f"/{_SAVED_MODEL}")}):
        _check_unlisted(uri.rstrip("/"), folder, sums)
    return sums


def _check_unlisted(uri: str, folder: str, sums: Mapping[str, str]) -> None:
    """Refuses what lies in a folder and is not listed. Empty folders count, as a server may take one for a version, but in a SavedModel."""
    models = {str(PurePosixPath(path).parent) for path in sums if path.endswith(f"/{_SAVED_MODEL}")}
    folders = {str(parent) for path in sums for parent in PurePosixPath(path).parents}
    found = [f"{folder}/{file.path}" for file in storage.list(f"{uri}/{folder}", marks=True)]
    if local := storage.local_path(uri):
        empty = (path for path, is_folder in storage.walk(local / folder) if is_folder)
        found += [f"{path.relative_to(local).as_posix()}/" for path in empty]
    for path in found:
        parent = PurePosixPath(path).parent
        if path.endswith("/"):
            is_known = path.rstrip("/") in folders or bool(models.intersection(map(str, (parent, *parent.parents))))
        else:
            is_known = path in sums or (is_leftover(path) and str(parent) in folders)
        if not is_known:
            raise GraftError(
                f"{storage.redact(f'{uri}/{path}')} is not in {SUMS}, and who loads {folder} would be given it: remove it."
            )


def check_model_digest(digest: str, sums: Mapping[str, str], where: str) -> None:
    """Checks that a record of an Export is about the model that lies in it.

    Args:
        digest: The digest of the model, as the record says.
        sums: SHA-256 by path, as `read_sums` returns them.
        where: The record's path or URI, for the message.

    Raises:
        GraftError: It is about another model.
    """
    if sums.get(Model.KERAS) != digest:
        raise GraftError(
            f"{storage.redact(where)} is not about the {Model.KERAS} that lies with it: name another version, or export the model again."
        )


def is_leftover(path: str) -> bool:
    """Whether a file in an Export is what a killed upload left, which is no part of it and which nothing loads."""
    name = PurePosixPath(path).name
    return name.startswith(".") and name.endswith(".part")


def fetch_checked(uri: str, path: str, sums: Mapping[str, str], downloads: Path, *, keep: bool = True) -> Path:
    """Makes a file of an Export readable at a local path, after checking that it is what was published.

    Args:
        uri: The Export's path or URI.
        path: The file's path in it.
        sums: SHA-256 by path, as `read_sums` returns them.
        downloads: Folder for what is downloaded.
        keep: Whether the cache keeps a download.

    Raises:
        GraftError: It is missing, was changed, or can't be read.
    """
    if path not in sums:
        raise GraftError(f"{storage.redact(uri)} has no {path}: name a Model, or a version that has it.")
    return storage.fetch(f"{uri.rstrip('/')}/{path}", downloads, sums[path], keep=keep)
