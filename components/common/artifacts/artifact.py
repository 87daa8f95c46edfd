"""Artifacts are directories with a small JSON record, written last: without its record an artifact is unfinished."""

import contextlib
import shutil
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import ClassVar, Self

from pydantic import Field, PrivateAttr

from graft.components.common import storage
from graft.components.common.artifacts.record import Record, utc_now
from graft.components.common.errors import GraftError

_UNFINISHED = ".unfinished"


class Artifact(Record):
    """The record of an artifact, which is a directory; written last, it marks the artifact as finished."""

    FILE: ClassVar[str]
    """The record's file name."""

    graft_version: str = Field(default_factory=lambda: version("graft"), description="The Graft that wrote it.")
    created: str = Field(default_factory=utc_now, description="When it was made, ISO 8601 in UTC.")

    _path: Path | None = PrivateAttr(None)

    @property
    def path(self) -> Path:
        """The artifact's directory.

        Raises:
            RuntimeError: It has neither been loaded nor written.
        """
        if self._path is None:
            raise RuntimeError(f"this {type(self).__name__} lies in no directory yet")
        return self._path

    @classmethod
    def load(cls, path: Path) -> Self:
        """Opens a finished artifact.

        Raises:
            GraftError: It is missing or unfinished.
            DamagedRecordError: Its record is damaged, or follows a schema that this Graft doesn't know.
        """
        storage.check_text(str(path))
        file = path / cls.FILE
        if not file.is_file():
            raise GraftError(
                f"{path} holds no {cls.FILE}: it is not that artifact, or the step that writes it did not finish."
            )
        artifact = cls.parse(file.read_bytes(), str(file))
        artifact._path = path
        return artifact

    def write(self, path: Path) -> None:
        """Writes the record atomically: afterwards the file is either whole or as it was before."""
        storage.write(str(path / self.FILE), self.text().encode())
        self._path = path


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
    storage.check_text(str(output))
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
