"""The versions of a model in a store: immutable Exports, each named by the digest of its checksums."""

import json
import re
from collections import defaultdict
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from graft.components.common import storage
from graft.components.common.errors import GraftError
from graft.components.common.records import sha256_file
from graft.components.common.registry.latest import About
from graft.components.common.sums import SUMS, VERSIONS, digest_of, fetch_checked, parse_sums, read_sums
from graft.components.common.transfer import fetch, upload

_NAME = re.compile(r"[0-9a-f]{64}")
_EVALUATION = "lineage/evaluation.json"


class Versions:
    """The versions of a model.

    Args:
        folder: Path or URI of the model's folder.
    """

    def __init__(self, folder: str) -> None:
        self._folder = f"{folder}/{VERSIONS}"

    def uri(self, version: str) -> str:
        """Returns the path or URI of a version.

        Args:
            version: Its name.
        """
        return f"{self._folder}/{version}"

    def publish(self, export: Path) -> str:
        """Publishes an Export: its files first, its checksums last. The same content twice is one version.

        Args:
            export: The Export's directory.

        Returns:
            The version's name.

        Raises:
            GraftError: The Export is unfinished or was changed, or the store can't be written.
        """
        if not (export / SUMS).is_file():
            raise GraftError(f"{export} has no {SUMS}: it is no Export, or an unfinished one.")
        content = (export / SUMS).read_bytes()
        sums, version = parse_sums(content, str(export)), digest_of(content)
        for path, digest in sums.items():
            if not (export / path).is_file() or sha256_file(export / path) != digest:
                raise GraftError(f"{export / path} is not what {SUMS} says: export the model again.")
        if not storage.exists(f"{self.uri(version)}/{SUMS}"):
            for path in (*sums, SUMS):
                upload(export / path, f"{self.uri(version)}/{path}")
        return version

    def whole(self) -> dict[str, float]:
        """Returns when each finished version was published, in seconds since 1970.

        Raises:
            GraftError: The store can't be read.
        """
        return {version: storage.written_at(files[SUMS]) for version, files in self._files().items() if SUMS in files}

    def unfinished(self, older_than: float) -> list[str]:
        """Returns the versions that killed publishers left without their checksums.

        Args:
            older_than: In seconds since 1970: what was written later may be under way.

        Raises:
            GraftError: The store can't be read.
        """
        return sorted(
            version
            for version, files in self._files().items()
            if SUMS not in files and max(map(storage.written_at, files.values())) < older_than
        )

    def find(self, beginning: str) -> str:
        """Returns the version whose name begins so.

        Args:
            beginning: Its first characters.

        Raises:
            GraftError: There is none, or more than one.
        """
        found = [version for version in self.whole() if version.startswith(beginning)]
        if len(found) != 1 or not beginning:
            which = "no version" if not found else f"{len(found)} versions"
            raise GraftError(
                f"{self._folder} has {which} whose name begins with {beginning!r}: graft registry list names all."
            )
        return found[0]

    def about(self, version: str) -> About:
        """Returns what a version's records say of it.

        Args:
            version: Its name.

        Raises:
            GraftError: There is no such version, or it was changed.
        """
        with TemporaryDirectory(prefix="graft-version-") as scratch:
            uri = self.uri(version)
            file = fetch_checked(uri, _EVALUATION, read_sums(uri, Path(scratch)), Path(scratch))
            try:
                record = json.loads(file.read_bytes())
                return About(version, str(record["model_digest"]), float(record["metrics"]["accuracy"]))
            except (ValueError, KeyError, TypeError) as error:
                raise GraftError(
                    f"{uri}/{_EVALUATION} is another Graft's ({error!r}): publish a version of this one."
                ) from error

    def remove(self, version: str) -> None:
        """Removes a version: its checksums first, so that what is half removed counts as unfinished.

        Args:
            version: Its name.

        Raises:
            GraftError: The store can't be written.
        """
        fs, _ = storage.filesystem(self._folder)
        for path in sorted(storage.list_tree(self.uri(version)), key=lambda path: not path.endswith(f"/{SUMS}")):
            storage.remove_file(self._folder, path)
        if (folder := Path(self.uri(version))).is_dir() and "file" in fs.protocol:
            for empty in sorted((path for path in folder.rglob("*") if path.is_dir()), reverse=True):
                empty.rmdir()
            folder.rmdir()

    def verify(self) -> list[str]:
        """Checks every file of every finished version against its checksums.

        Returns:
            What is wrong, a sentence each.

        Raises:
            GraftError: The store can't be read.
        """
        problems = []
        for version, files in sorted(self._files().items()):
            if SUMS not in files:
                continue  # under way, or left by a killed publisher: nothing uses it
            with TemporaryDirectory(prefix="graft-verify-") as scratch:
                try:
                    sums = read_sums(self.uri(version), Path(scratch))
                except GraftError as error:
                    problems.append(str(error))
                    continue
                for path, digest in sums.items():
                    if problem := self._problem(version, path, digest, Path(scratch)):
                        problems.append(problem)
                strange = sorted(set(files) - {*sums, SUMS})
                problems += [f"{self.uri(version)}/{path} is not in {SUMS}." for path in strange]
        return problems

    def _problem(self, version: str, path: str, digest: str, scratch: Path) -> str:
        uri = f"{self.uri(version)}/{path}"
        try:
            file = fetch(uri, scratch, keep=False)
            found = sha256_file(file)
            if file.parent == scratch:
                file.unlink()
        except GraftError as error:
            return str(error)
        return "" if found == digest else f"{uri} was changed: its SHA-256 is {found}, not {digest}."

    def _files(self) -> dict[str, dict[str, dict[str, Any]]]:
        """Returns the files of all versions, finished or not, by version and path in it."""
        _, root = storage.filesystem(self._folder)
        found: dict[str, dict[str, dict[str, Any]]] = defaultdict(dict)
        for path, entry in storage.list_tree(self._folder).items():
            version, _, rest = path.removeprefix(f"{root.rstrip('/')}/").partition("/")
            # A leftover of a killed upload is no file of the version.
            if _NAME.fullmatch(version) and not (rest.rpartition("/")[2].startswith(".") and rest.endswith(".part")):
                found[version][rest] = entry
        return found
