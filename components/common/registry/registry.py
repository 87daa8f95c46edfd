"""The registry of one model: publishing versions, and deciding which is the latest, one swap at a time."""

import shlex
from pathlib import Path

from graft.components.common import storage
from graft.components.common.artifacts.checksums import SUMS
from graft.components.common.artifacts.latest import About, Latest, Note
from graft.components.common.artifacts.record import utc_now
from graft.components.common.errors import GraftError, NotPromotedError
from graft.components.common.registry.latest_file import LatestFile
from graft.components.common.registry.pruning import prune
from graft.components.common.registry.removals import Removals, refuse_removed
from graft.components.common.registry.versions import Versions, models_in, read_export
from graft.components.common.runs.run import check_name


class Registry:
    """The versions of a model in a store. All methods raise a GraftError if it can't be read or written, or `latest.json` is damaged.

    Args:
        store: Path or URI of the store: local, gs:// or s3://.
        name: The model's name.

    Attributes:
        folder: Path or URI of the model's folder, without secrets.
        versions: Its versions.

    Raises:
        GraftError: The name would not stay inside the store.
    """

    def __init__(self, store: str, name: str) -> None:
        check_name("name", name)
        self.name, self._store = name, storage.absolute(store)
        self.folder = f"{self._store}/models/{name}"
        self.versions = Versions(self.folder)
        self._file = LatestFile(self.folder, lambda counter: self.command("sign", "--above", str(counter)))
        self._removals = Removals(self._file)

    def command(self, verb: str, *words: str) -> str:
        """Returns the command of `graft registry` that does something with this model."""
        return shlex.join(["graft", "registry", verb, self.name, *words, "--store", self._store])

    def latest(self) -> Latest:
        """Returns which version is the latest, and what else is known of that."""
        return self._file.read()

    def publish(self, export: Path) -> str:
        """Publishes an Export: its files first, its checksums last. The same content twice is one version.

        Where that version was damaged in the store, it is mended. Where it is being removed, it is put back afterwards.

        Returns:
            The version's name.

        Raises:
            GraftError: The Export is unfinished or was changed, or the store can't be written.
        """
        version, sums = read_export(export)
        while True:
            removed = self._removals.settle(version)
            try:
                for files in (sums, {SUMS: version}):
                    self.versions.put(export, version, files)
                    if self._removals.settle(version) != removed:
                        break  # what was put may be gone: once more
                else:
                    return version
            except storage.MissingError:  # as when a folder goes that is written to
                if self._removals.settle(version) == removed:
                    raise

    def challenge(self, version: str, champion: str | None, left_out: str = "") -> Latest:
        """Makes a version the latest on behalf of a pipeline, if the latest is the one that it was compared with, or has its model.

        Args:
            version: The version's name.
            champion: Digest of the model that it was compared with as the champion; None for none.
            left_out: Why it was compared with none although there was one, as a clause; empty if there was none.

        Raises:
            NotPromotedError: The latest is on hold or another one by now, or the version's content was withdrawn.
            GraftError: There is no such version, it is being removed, or the store can't be read or written.
        """

        def change(latest: Latest) -> Latest:
            about = self._about(version, latest)
            if latest.withdraws(about):
                raise NotPromotedError(
                    "it, or a version with the same model, was withdrawn; to promote it all the same: "
                    + self.command("promote", version[:12], "--withdrawn")
                )
            if latest.version == about.version:
                return latest
            if latest.hold:
                raise NotPromotedError(f"{self.name} is on hold ({latest.hold.reason}): {self.command('release')}")
            # A step that is tried again, or another run at the same time, may have published the same model before.
            if latest.model_digest not in (champion, about.model_digest):
                promote = self.command("promote", version[:12])
                if left_out:
                    raise NotPromotedError(f"it was {left_out}; a person decides with {promote}")
                now = (latest.version or "none")[:12]
                whom = f"the model {champion[:12]}" if champion else "no champion"
                raise NotPromotedError(
                    f"it was compared with {whom}, and the latest version is {now}: evaluate it again, or {promote}"
                )
            return latest.promoting(about, "pipeline")

        return self._file.change(change)

    def promote(self, version: str, *, withdrawn: bool = False) -> Latest:
        """Makes a version the latest because a person says so.

        Args:
            version: The version's name, or how it begins.
            withdrawn: Whether also one whose content was withdrawn, which it then no longer is.

        Raises:
            GraftError: There is no such version, it is damaged, being removed or withdrawn, or the latest is on hold.
        """
        found = self.versions.find(version)

        def change(latest: Latest) -> Latest:
            about = self._about(found, latest)
            self.versions.check(about.version)
            if latest.hold:
                raise GraftError(f"{self.name} is on hold ({latest.hold.reason}): release it first.")
            if latest.withdraws(about):
                if not withdrawn:
                    raise GraftError(f"{about.version} was withdrawn: add --withdrawn to promote it all the same.")
                kept = {
                    name: note
                    for name, note in latest.withdrawn.items()
                    if name != about.version and note.model_digest != about.model_digest
                }
                latest = latest.model_copy(update={"withdrawn": kept})
            return latest if latest.version == about.version else latest.promoting(about, "person")

        return self._file.change(change)

    def rollback(self, reason: str, to: str = "") -> Latest:
        """Withdraws the latest version and makes an earlier one the latest.

        Args:
            reason: Why.
            to: The version to go back to, or how its name begins; the one before for empty.

        Raises:
            GraftError: There is none to go back to, it is damaged, or the latest is another one meanwhile: nobody meant to withdraw that.
        """
        meant, found = self.latest().version, self.versions.find(to) if to else ""

        def change(latest: Latest) -> Latest:
            if latest.version is None:
                raise GraftError(
                    f"{self.name} has no latest version in {self.folder}: there is nothing to roll back. {models_in(self._store)}"
                )
            if latest.version != meant:
                raise GraftError(
                    f"{self.name} has a new latest version, {latest.version}: look at it before you roll it back."
                )
            current = latest.history[-1].about
            note = Note(reason=reason, time=utc_now(), model_digest=current.model_digest)
            latest = latest.model_copy(update={"withdrawn": {**latest.withdrawn, current.version: note}})
            chosen = self._about(found, latest) if found else None
            if chosen and latest.withdraws(chosen):
                raise GraftError(
                    f"{chosen.version} was withdrawn, or has the latest version's model: go back to another version."
                )
            there = self.versions.finished()
            target = chosen or next((about for about in latest.candidates if about.version in there), None)
            if target is None:
                raise GraftError(f"{self.name} has no earlier version to go back to: name one, or publish one.")
            self.versions.check(target.version)
            return latest.promoting(target, "rollback")

        return self._file.change(change)

    def hold(self, reason: str) -> Latest:
        """Freezes the latest version: no promotion changes it, a rollback does."""
        return self._file.change(lambda latest: latest.model_copy(update={"hold": Note(reason=reason, time=utc_now())}))

    def release(self) -> Latest:
        """Ends a hold."""
        return self._file.change(lambda latest: latest.model_copy(update={"hold": None}))

    def sign(self, version: str = "", above: int = 0) -> list[str]:
        """Signs, by the private key that is configured, `latest.json` and the versions that it names, because a person says they are right.

        Args:
            version: The version to sign alone, or how its name begins; empty for all that were promoted and not withdrawn.
            above: A counter of `latest.json` that was seen somewhere: what is there gets a higher one. 0 for none.

        Returns:
            The versions that were not signed by this key before.

        Raises:
            GraftError: There is no key or no such version, or `latest.json` is signed by an unknown key, forged, or older than what was
                seen here.
        """
        if version:
            chosen = [self.versions.find(version)]
        else:
            there = self.versions.finished()
            latest = self._file.sign(above)
            chosen = [about.version for about in latest.candidates if about.version in there]
        return [one for one in chosen if self.versions.sign(one)]

    def best(self) -> About | None:
        """Returns the version of the highest accuracy of those that were promoted and not withdrawn, if it still is there."""
        there = set(self.versions.finished())
        known = [about for about in self.latest().candidates if about.accuracy is not None and about.version in there]
        return max(known, key=lambda about: about.accuracy or 0.0, default=None)

    def prune(self, keep: int, *, dry_run: bool = False) -> list[str]:
        """Removes old versions: all but the newest ones, the latest, and the one that a rollback would go back to.

        Args:
            keep: How many of the newest stay.
            dry_run: Whether to remove nothing.

        Returns:
            The versions that go, also what killed publishers left a day ago; what another one removes at the same time is not among them.
        """
        return prune(self._file, self.versions, self._removals, keep, dry_run=dry_run)

    def verify(self) -> list[str]:
        """Checks every file of every version, and that the latest version is whole.

        Returns:
            What is wrong, a sentence each; nothing if all is well.
        """
        problems = self.versions.verify()
        try:
            latest = self.latest()
        except GraftError as error:
            return [*problems, str(error)]
        if latest.version and latest.version not in self.versions.finished():
            problems.append(f"{self._file.uri} names {latest.version}, which is missing or unfinished.")
        return problems

    def _about(self, version: str, latest: Latest) -> About:
        """Returns what a version's records say of it, if it is there and not being removed."""
        refuse_removed(latest, version)
        try:
            return self.versions.about(version)
        except GraftError:
            refuse_removed(self.latest(), version)  # which has begun meanwhile
            raise
