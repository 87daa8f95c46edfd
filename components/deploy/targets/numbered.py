"""Numbered versions below a base path, as TensorFlow Serving takes them: the highest number is served.

Which names are numbers: tensorflow_serving/sources/storage_path/file_system_storage_path_source.cc. Where a number lacks its
`saved_model.pb`, the server keeps what it serves, and looks again after a minute.
"""

import abc
import re
from collections.abc import Iterable
from pathlib import Path, PurePosixPath
from uuid import uuid4

from graft.components.common import storage
from graft.components.common.artifacts.numbers import HIGHEST
from graft.components.common.artifacts.servable import open_servable
from graft.components.common.errors import GraftError
from graft.components.common.progress import progress
from graft.components.common.serving.asking import ask_saved_model
from graft.components.deploy.candidate import Candidate
from graft.components.deploy.targets.target import OvertakenError

_SAVED_MODEL = "saved_model.pb"
_NUMBER = re.compile(r"\s*[+-]?[0-9]+\s*")  # as absl::SimpleAtoi
_HIDDEN = re.compile(r"\.(?P<number>[0-9]+)-[0-9a-f]{32}")
_GONE = ".gone-"


class NumberedVersions(abc.ABC):
    """Numbered versions below a base path. All methods raise a GraftError if it can't be read or written.

    Args:
        base: Its path or URI.
    """

    def __init__(self, base: str) -> None:
        self._base = base

    @abc.abstractmethod
    def numbers(self) -> dict[int, bool]:
        """Returns the numbers that servers see, and whether each is whole."""

    @abc.abstractmethod
    def prepare(self, number: int, candidate: Candidate) -> None:
        """Prepares a version for its number, unseen by servers.

        Raises:
            OvertakenError: Somebody else has removed what was prepared, since a higher number is there.
        """

    @abc.abstractmethod
    def ask(self, number: int, candidate: Candidate, seconds: float) -> bytes:
        """Returns what the prepared version answers to the candidate's request."""

    @abc.abstractmethod
    def drop(self, number: int) -> None:
        """Removes what this process has prepared."""

    @abc.abstractmethod
    def show(self, number: int, candidate: Candidate) -> None:
        """Lets servers see the prepared version under its number, which is whole in that moment. It may be there already.

        Raises:
            OvertakenError: Somebody else has removed it, since a higher number is there.
        """

    @abc.abstractmethod
    def remove(self, number: int) -> None:
        """Removes a number: it is not whole for a moment, but gone for who goes by what makes it whole."""

    @abc.abstractmethod
    def tidy(self, up_to: int) -> None:
        """Removes what killed processes left of numbers up to this one."""

    def _uri(self, number: int) -> str:
        return f"{self._base}/{number}"


class OnDisk(NumberedVersions):
    """On a disk, where a folder is written under a name that servers skip, and renamed."""

    def __init__(self, base: str) -> None:
        super().__init__(base)
        self._token = uuid4().hex

    def numbers(self) -> dict[int, bool]:
        """Returns the names that are numbers: folders, all of which are whole, and others, which servers don't tell from them."""
        names = dict.fromkeys(_numbers_in(self._names(is_folder=False)), False)
        return names | dict.fromkeys(_numbers_in(self._names()), True)

    def prepare(self, number: int, candidate: Candidate) -> None:
        """Copies a version, and checks the copy."""
        files = _files(candidate)
        with open_servable(candidate.uri) as servable, progress("copying the model", len(files), "files") as advance:
            for path, digest in files.items():
                copy = f"{self._hidden(number)}/{path}"
                try:
                    storage.put(servable.folder / "1" / path, copy)
                    found = storage.sha256_file(Path(copy))
                except (storage.MissingError, FileNotFoundError) as error:
                    raise _overtaken(number) from error
                if found != digest:
                    raise GraftError(f"{copy} was not written as it was read: check the disk.")
                advance(1)

    def ask(self, number: int, candidate: Candidate, seconds: float) -> bytes:
        """Runs the copy."""
        try:
            return ask_saved_model(self._hidden(number), candidate.request, seconds)
        except GraftError:
            self._check_copy(number, candidate)
            raise

    def drop(self, number: int) -> None:
        """Removes the copy."""
        self._remove(self._hidden(number))

    def show(self, number: int, candidate: Candidate) -> None:
        """Renames the copy."""
        copy = self._hidden(number)
        self._check_copy(number, candidate)
        try:
            if not storage.rename_folder(copy, Path(self._uri(number))):
                self._remove(copy)  # another process brought the same version
        except storage.MissingError as error:
            raise _overtaken(number) from error

    def remove(self, number: int) -> None:
        """Renames the folder away, and removes it then."""
        self._remove(Path(self._uri(number)))

    def tidy(self, up_to: int) -> None:
        """Removes copies that never were renamed, and folders that were renamed away."""
        for name in self._names():
            hidden = _HIDDEN.fullmatch(name)
            if hidden and int(hidden["number"]) <= up_to:
                self._remove(Path(self._base, name))
            elif name.startswith(_GONE):
                storage.delete_folder(f"{self._base}/{name}")

    def _hidden(self, number: int) -> Path:
        return Path(self._base, f".{number}-{self._token}")

    def _check_copy(self, number: int, candidate: Candidate) -> None:
        """Checks that nobody has removed the copy while it was written: what was written later is there."""
        if {file.path for file in storage.list(str(self._hidden(number)))} != {*_files(candidate)}:
            raise _overtaken(number)

    def _remove(self, folder: Path) -> None:
        gone = Path(self._base, f"{_GONE}{uuid4().hex}")
        try:
            storage.rename_folder(folder, gone)
        except storage.MissingError:
            return  # another process was first
        storage.delete_folder(str(gone))

    def _names(self, *, is_folder: bool = True) -> list[str]:
        try:
            return [path.name for path, found in storage.walk(Path(self._base), lambda _: True) if found == is_folder]
        except storage.MissingError:
            return []


class InBucket(NumberedVersions):
    """In a bucket, which renames no folders: `saved_model.pb` is written last and removed first."""

    def numbers(self) -> dict[int, bool]:
        """Returns the numbers of which there is any object."""
        paths = {file.path for file in storage.list(self._base, marks=True)}
        names = {path.partition("/")[0] for path in paths if "/" in path}
        return {number: f"{number}/{_SAVED_MODEL}" in paths for number in _numbers_in(names)}

    def prepare(self, number: int, candidate: Candidate) -> None:
        """Does nothing: a server that starts sees the number as soon as it has one object."""

    def ask(self, number: int, candidate: Candidate, seconds: float) -> bytes:
        """Runs what is to be written."""
        with open_servable(candidate.uri) as servable:
            return ask_saved_model(servable.folder / "1", candidate.request, seconds)

    def drop(self, number: int) -> None:
        """Does nothing: nothing is prepared."""

    def show(self, number: int, candidate: Candidate) -> None:
        """Writes the version, and looks whether all of it is there: somebody else may be removing the number."""
        files = sorted(_files(candidate), key=lambda path: path == _SAVED_MODEL)
        with open_servable(candidate.uri) as servable, progress("copying the model", len(files), "files") as advance:
            for path in files:
                storage.put(servable.folder / "1" / path, f"{self._uri(number)}/{path}")
                advance(1)
        if {file.path for file in storage.list(self._uri(number))} != {*files}:
            self.remove(number)
            raise _overtaken(number)

    def remove(self, number: int) -> None:
        """Removes a number's objects, also those that somebody still writes."""
        while found := storage.list(self._uri(number), marks=True):
            for file in sorted(found, key=lambda file: file.path != _SAVED_MODEL):
                storage.delete(file.uri)

    def tidy(self, up_to: int) -> None:
        """Does nothing: nothing is hidden."""


def _numbers_in(names: Iterable[str]) -> list[int]:
    found = (int(name) for name in names if _NUMBER.fullmatch(name))
    return sorted(number for number in found if abs(number) <= HIGHEST)


def _files(candidate: Candidate) -> dict[str, str]:
    """Returns the SHA-256 of a SavedModel's files by path in it."""
    folder = PurePosixPath(candidate.base_path, "1")
    return {
        str(PurePosixPath(path).relative_to(folder)): digest
        for path, digest in candidate.files.items()
        if PurePosixPath(path).is_relative_to(folder)
    }


def _overtaken(number: int) -> OvertakenError:
    return OvertakenError(f"Number {number} was removed while it was written, by a deployment of a higher one.")
