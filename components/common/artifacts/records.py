"""Artifacts are directories with a small JSON record, written last: without its record an artifact is unfinished."""

import contextlib
import hashlib
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from graft.components.common.errors import GraftError

SCHEMA_VERSION = 2
"""Of all records. Readers take the one before as well; tests/fixtures holds what the Graft of that time wrote."""

_UNFINISHED = ".unfinished"


def utc_now() -> str:
    """Returns the time as ISO 8601 text in UTC, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def sha256_file(path: Path) -> str:
    """Returns the SHA-256 of a file's bytes as hex digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_record(path: Path, content: Mapping[str, Any]) -> None:
    """Writes a JSON record atomically: afterwards the file is either whole or as it was before.

    Args:
        path: The record's file, such as `dataset.json`.
        content: Its fields; `schema_version`, `graft_version` and `created` are added.
    """
    record = {"schema_version": SCHEMA_VERSION, "graft_version": version("graft"), "created": utc_now(), **content}
    temporary = path.with_name(f".{path.name}.tmp")
    with temporary.open("w", encoding="utf-8") as file:
        json.dump(record, file, indent=2, ensure_ascii=False, allow_nan=False)
        file.write("\n")
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)


def read_record(artifact: Path, name: str) -> dict[str, Any]:
    """Reads the record of a finished artifact.

    Args:
        artifact: The artifact's directory.
        name: The record's file name, such as `dataset.json`.

    Raises:
        GraftError: The artifact is missing or unfinished, or its record is damaged or of an unknown schema version.
    """
    path = artifact / name
    if not path.is_file():
        raise GraftError(
            f"{artifact} holds no {name}: it is not that artifact, or the step that writes it did not finish."
        )
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        schema = record["schema_version"]
    except (ValueError, KeyError, TypeError) as error:
        raise GraftError(f"{path} is damaged ({error!r}): run the step that writes it again.") from error
    if schema not in (SCHEMA_VERSION, SCHEMA_VERSION - 1):
        raise GraftError(
            f"{path} has schema version {schema}, and this Graft reads {SCHEMA_VERSION}: use the same Graft for all steps."
        )
    return dict(record)


@contextlib.contextmanager
def new_artifact(output: Path, record: str) -> Iterator[Path]:
    """Makes an artifact's directory and removes it again if the step fails.

    A step that is killed outright leaves a marker in the directory, by which the next attempt knows that what is there
    is a leftover and may be cleared away. Anything else that is found there is somebody's, and never touched.

    Args:
        output: The directory to fill; it may exist if it is empty or a leftover.
        record: The name of the record that the step writes last.

    Yields:
        The directory, empty.

    Raises:
        GraftError: `output` holds a finished artifact or something that is not Graft's.
    """
    marker = output / _UNFINISHED
    if output.exists() and not output.is_dir():
        raise GraftError(f"{output} is a file: name a folder that doesn't exist yet.")
    if (output / record).exists():
        raise GraftError(
            f"{output} already holds a finished result ({record}): name another folder, or remove this one."
        )
    if output.is_dir() and any(output.iterdir()):
        if not marker.exists():
            raise GraftError(f"{output} is not empty: name a folder that is empty or doesn't exist yet.")
        _clear(output)
    existed = output.is_dir()
    output.mkdir(parents=True, exist_ok=True)
    try:
        marker.touch()
        yield output
        if not (output / record).is_file():
            raise RuntimeError(f"the step ended without writing {record}")
        marker.unlink()
    except BaseException:
        _clear(output)
        if not existed:
            output.rmdir()
        raise


def _clear(directory: Path) -> None:
    """Empties a directory, its record first and its marker last, so that no moment shows a finished artifact."""
    for child in sorted(directory.iterdir(), key=lambda child: (child.name == _UNFINISHED, child.suffix != ".json")):
        if child.is_dir() and not child.is_symlink():
            shutil.rmtree(child)
        else:
            child.unlink()
