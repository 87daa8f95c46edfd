"""The versions of a model in a store: immutable Exports, each named by the digest of its checksums."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path

from graft.components.common import storage
from graft.components.common.artifacts.checksums import (
    SUMS,
    VERSION_NAME,
    VERSIONS,
    check_model_digest,
    digest_of,
    fetch_checked,
    is_leftover,
    read_sums,
    read_sums_file,
)
from graft.components.common.artifacts.evaluation import Evaluation
from graft.components.common.artifacts.export import Export
from graft.components.common.artifacts.latest import About
from graft.components.common.artifacts.signing.signed_sums import is_signature, sign_sums, signatures_in
from graft.components.common.errors import DamagedRecordError, GraftError
from graft.components.common.progress import progress
from graft.components.common.runs.run import is_safe_name

_EVALUATION = f"{Export.LINEAGE}/{Evaluation.FILE}"


class Versions:
    """The versions of a model. All methods raise a GraftError if the store can't be read or written.

    Args:
        folder: Path or URI of the model's folder.
    """

    def __init__(self, folder: str) -> None:
        self._folder = f"{folder}/{VERSIONS}"

    def uri(self, version: str) -> str:
        """Returns the path or URI of a version.

        Raises:
            GraftError: It can't be the name of one, and might lead out of the model's folder.
        """
        if not VERSION_NAME.fullmatch(version):
            raise GraftError(
                f"{version[:100]!r} can't be the name of a version in {self._folder}: restore an earlier generation of what names it."
            )
        return f"{self._folder}/{version}"

    def put(self, export: Path, version: str, files: Mapping[str, str]) -> None:
        """Puts files of an Export into the store; of a version that is there already only those that were damaged or are missing.

        Args:
            export: The Export.
            version: The version's name.
            files: SHA-256 by path.
        """
        there = storage.exists(f"{self.uri(version)}/{SUMS}")
        with (
            storage.scratch_folder("publish") as scratch,
            progress("publishing files", len(files), "files") as advance,
        ):
            for path, digest in files.items():
                if not there or self._problem(version, path, digest, scratch):
                    storage.put(export / path, f"{self.uri(version)}/{path}")
                advance(1)

    def finished(self) -> dict[str, float]:
        """Returns when each finished version was published, in seconds since 1970."""
        return {version: files[SUMS].written_at for version, files in self._files().items() if SUMS in files}

    def unfinished(self, older_than: float) -> list[str]:
        """Returns the versions that killed publishers left without their checksums.

        Args:
            older_than: In seconds since 1970: what was written later may be under way.
        """
        return sorted(
            version
            for version, files in self._files().items()
            if SUMS not in files and max(file.written_at for file in files.values()) < older_than
        )

    def find(self, beginning: str) -> str:
        """Returns the version whose name begins so.

        Raises:
            GraftError: There is none, or more than one.
        """
        found = [version for version in self.finished() if version.startswith(beginning)]
        if len(found) != 1 or not beginning:
            which = "no version" if not found else f"{len(found)} versions"
            raise GraftError(
                f"{self._folder} has {which} whose name begins with {beginning!r}: see them with graft registry list."
            )
        return found[0]

    def about(self, version: str) -> About:
        """Returns what a version's records say of it.

        Raises:
            GraftError: There is no such version, or it was changed.
        """
        return about(version, self.evaluation(version))

    def evaluation(self, version: str) -> Evaluation:
        """Returns the record of a version's evaluation.

        Raises:
            GraftError: There is no such version, or it was changed.
        """
        with storage.scratch_folder("version") as scratch:
            uri = self.uri(version)
            sums = read_sums(uri)
            return _evaluation(sums, fetch_checked(uri, _EVALUATION, sums, scratch), uri)

    def sign(self, version: str) -> bool:
        """Signs a version by the private key that is configured; what has that signature stays as it is.

        Returns:
            Whether there is a new signature.

        Raises:
            GraftError: There is no such version, or it was changed.
        """
        uri = self.uri(version)
        return sign_sums(uri, read_sums_file(uri))

    def remove(self, version: str) -> None:
        """Removes a version: its checksums first, so that what is half removed counts as unfinished."""
        storage.delete(f"{self.uri(version)}/{SUMS}")
        storage.delete_folder(self.uri(version))

    def check(self, version: str) -> None:
        """Checks every file of a version against its checksums.

        Raises:
            GraftError: There is no such version, or it is damaged.
        """
        sums = read_sums(self.uri(version))
        with storage.scratch_folder("verify") as scratch, progress("checking files", len(sums), "files") as advance:
            for path, digest in sums.items():
                if problem := self._problem(version, path, digest, scratch):
                    raise GraftError(
                        f"{version} is damaged: publish its Export again, or choose another one. {problem}"
                    )
                advance(1)

    def verify(self) -> list[str]:
        """Checks every file of every finished version against its checksums.

        Returns:
            What is wrong, a sentence each.
        """
        problems: list[str] = []
        # Others are under way, or left by a killed publisher: nothing uses them.
        whole = {version: files for version, files in sorted(self._files().items()) if SUMS in files}
        with progress("verifying versions", len(whole), "versions") as advance:
            for version, files in whole.items():
                problems += self._problems(version, files)
                advance(1)
        return problems

    def _problems(self, version: str, files: Iterable[str]) -> list[str]:
        try:
            sums = read_sums(self.uri(version))
        except GraftError as error:
            return [str(error)]
        with storage.scratch_folder("verify") as scratch:
            found = [self._problem(version, path, digest, scratch) for path, digest in sums.items()]
        strange = sorted(path for path in {*files} - {*sums, SUMS} if not (is_leftover(path) or is_signature(path)))
        return [*filter(None, found), *(f"{self.uri(version)}/{path} is not in {SUMS}." for path in strange)]

    def _problem(self, version: str, path: str, digest: str, scratch: Path) -> str:
        uri = f"{self.uri(version)}/{path}"
        try:
            file = storage.fetch(uri, scratch, keep=False)
            with storage.access(uri):
                found = storage.sha256_file(file)
            if file.parent == scratch:
                file.unlink()
        except GraftError as error:
            return str(error)
        return "" if found == digest else f"{uri} was changed: its SHA-256 is {found}, not {digest}."

    def _files(self) -> dict[str, dict[str, storage.Entry]]:
        """Returns the files of all versions, finished or not, by version and path in it."""
        found: dict[str, dict[str, storage.Entry]] = defaultdict(dict)
        for file in storage.list(self._folder):
            version, _, rest = file.path.partition("/")
            if VERSION_NAME.fullmatch(version):
                found[version][rest] = file
        return found


def read_export(export: Path) -> tuple[str, dict[str, str]]:
    """Checks that a local Export can be published, and signs it if a private key is configured.

    Returns:
        The name of the version that it is, and the SHA-256 of its files by path, also of its signatures.

    Raises:
        GraftError: It is unfinished or was changed.
    """
    if not (export / SUMS).is_file():
        raise GraftError(f"{export} has no {SUMS}: it is not an Export, or not a finished one.")
    content = (export / SUMS).read_bytes()
    sign_sums(str(export), content)
    version, sums = digest_of(content), read_sums(str(export))
    for path, digest in sums.items():
        if not (export / path).is_file() or storage.sha256_file(export / path) != digest:
            raise GraftError(f"{export / path} doesn't match {SUMS}: export the model again.")
    _evaluation(sums, export / _EVALUATION, str(export))
    return version, sums | signatures_in(export)


def about(version: str, evaluation: Evaluation) -> About:
    """Returns what a version's evaluation says of it."""
    return About(version=version, model_digest=evaluation.model_digest, accuracy=evaluation.metrics.accuracy)


def _evaluation(sums: Mapping[str, str], file: Path, where: str) -> Evaluation:
    """Reads the record of the evaluation of the model that lies with it."""
    try:
        found = Evaluation.parse(file.read_bytes(), f"{where}/{_EVALUATION}")
    except (DamagedRecordError, OSError) as error:
        raise GraftError(
            f"{where} has no {_EVALUATION} that this Graft reads: name a version or an Export that it made."
        ) from error
    check_model_digest(found.model_digest, sums, f"{where}/{_EVALUATION}")
    return found


def models_in(store: str) -> str:
    """Returns a sentence with the names of the models in a store, for a message that says of one that nothing is there.

    Args:
        store: Path or URI of the store.

    Raises:
        GraftError: The store can't be read, or isn't there: then it is the store that is misspelt, and not the model.
    """
    names = {file.path.partition("/")[0] for file in storage.list(f"{store.rstrip('/')}/models") if "/" in file.path}
    if not names:
        storage.stat(store)
    held = ", ".join(sorted(filter(is_safe_name, names))) or "none"
    return f"Models in {storage.redact(store)}: {held}."
