"""Artifacts are directories with a small JSON record, written last: without its record an artifact is unfinished."""

import contextlib
import shutil
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import ClassVar, Self

from pydantic import Field, PrivateAttr

from graft.components.common import storage
from graft.components.common.artifacts.ownership import MARKER, owned
from graft.components.common.artifacts.record import Record, utc_now
from graft.components.common.errors import GraftError


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
        """Writes the record atomically, once all else in the directory is on the disk: no crash leaves the record and not the rest."""
        storage.flush_folder(path)
        storage.write(str(path / self.FILE), self.text().encode())
        self._path = path


@contextlib.contextmanager
def new_artifact(output: Path, record: str) -> Iterator[Path]:
    """Makes an artifact's directory, which is this step's alone, and removes it again if the step fails.

    A step that is killed outright leaves a marker in the directory, by which the next attempt knows that what is there
    is a leftover and may be cleared away. Anything else that is found there is somebody's, and never touched.

    Args:
        output: The directory to fill; it may exist if it is empty or a leftover.
        record: The name of the record that the step writes last.

    Yields:
        The directory, empty.

    Raises:
        GraftError: `output` holds a finished artifact or something that is not Graft's, or another step is filling it.
    """
    storage.check_text(str(output))
    _check_free(output, record)
    existed = output.is_dir()
    with owned(output) as is_mine:
        try:
            _check_free(output, record)  # another step may have finished it since
        except GraftError:
            (output / MARKER).unlink()
            raise
        try:
            _clear(output, but=MARKER)
            yield output
            if not is_mine():
                raise GraftError(
                    f"{output} was removed, or taken over by another process, while this step filled it: run it again."
                )
            if not (output / record).is_file():
                raise RuntimeError(f"the step ended without writing {record}")
            (output / MARKER).unlink()
        except BaseException:
            if is_mine():
                _clear(output)
                if not existed:
                    with contextlib.suppress(OSError):  # the next one to fill it has already begun
                        output.rmdir()
            raise


def _check_free(output: Path, record: str) -> None:
    try:
        names = {child.name for child in output.iterdir()}
    except FileNotFoundError:
        return
    except NotADirectoryError as error:
        raise GraftError(f"{output} is a file: name a folder that doesn't exist yet.") from error
    if record in names:
        raise GraftError(
            f"{output} already holds a finished result ({record}): name another folder, or remove this one."
        )
    if names and MARKER not in names:
        raise GraftError(f"{output} is not empty: name a folder that is empty or doesn't exist yet.")


def _clear(directory: Path, but: str = "") -> None:
    """Empties a directory, its record first and its marker last, so that no moment shows a finished artifact.

    Args:
        directory: The directory.
        but: The name of what stays.
    """
    for child in sorted(directory.iterdir(), key=lambda child: (child.name == MARKER, child.suffix != ".json")):
        if child.name == but:
            continue
        if child.is_dir() and not child.is_symlink():
            shutil.rmtree(child)
        else:
            child.unlink()
