"""The registry of one model: publishing versions, and deciding which is the latest, one swap at a time."""

import shlex
import time
from collections.abc import Callable
from typing import Literal

from graft.components.common import storage
from graft.components.common.artifacts.latest import About, Latest, Note, Promotion
from graft.components.common.artifacts.record import utc_now
from graft.components.common.errors import GraftError
from graft.components.common.progress import progress
from graft.components.common.registry.versions import Versions
from graft.components.common.runs.step_record import check_name

_A_DAY = 24 * 60 * 60


class NotPromotedError(GraftError):
    """A version was published, but is not the latest; the message says why."""


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
        self._file = f"{self.folder}/{Latest.FILE}"
        self.versions = Versions(self.folder)

    def command(self, verb: str, *words: str) -> str:
        """Returns the command of `graft registry` that does something with this model."""
        return shlex.join(["graft", "registry", verb, self.name, *words, "--store", self._store])

    def latest(self) -> Latest:
        """Returns which version is the latest, and what else is known of that."""
        return self._parse(storage.look(self._file).content)

    def challenge(self, version: str, champion: str | None) -> Latest:
        """Makes a version the latest on behalf of a pipeline, if the latest is the one that it was compared with, or has its model.

        Args:
            version: The version's name.
            champion: Digest of the model that it was compared with as the champion; None for none.

        Raises:
            NotPromotedError: The latest is on hold or another one by now, or the version's content was withdrawn.
            GraftError: There is no such version, or the store can't be read or written.
        """
        about = self.versions.about(version)

        def change(latest: Latest) -> Latest:
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
                now = (latest.version or "none")[:12]
                whom = f"the model {champion[:12]}" if champion else "no champion"
                raise NotPromotedError(
                    f"it was compared with {whom}, and the latest version is {now}: evaluate it again, or "
                    + self.command("promote", version[:12])
                )
            return _promoted(latest, about, "pipeline")

        return self._change(change)

    def promote(self, version: str, *, withdrawn: bool = False) -> Latest:
        """Makes a version the latest because a person says so.

        Args:
            version: The version's name, or how it begins.
            withdrawn: Whether also one whose content was withdrawn, which it then no longer is.

        Raises:
            GraftError: There is no such version, it is withdrawn, or the latest is on hold.
        """
        about = self.versions.about(self.versions.find(version))

        def change(latest: Latest) -> Latest:
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
            return latest if latest.version == about.version else _promoted(latest, about, "person")

        return self._change(change)

    def rollback(self, reason: str, to: str = "") -> Latest:
        """Withdraws the latest version and makes an earlier one the latest.

        Args:
            reason: Why.
            to: The version to go back to, or how its name begins; the one before for empty.

        Raises:
            GraftError: There is none to go back to, or another version became the latest meanwhile: nobody meant to withdraw that.
        """
        meant = self.latest().version
        there = set(self.versions.finished())
        chosen = self.versions.about(self.versions.find(to)) if to else None

        def change(latest: Latest) -> Latest:
            if latest.version is None:
                raise GraftError(f"{self.name} has no latest version in {self.folder}: there is nothing to roll back.")
            if latest.version != meant:
                raise GraftError(
                    f"{self.name} has a new latest version, {latest.version}: look at it before you roll it back."
                )
            current = latest.history[-1].about
            note = Note(reason=reason, time=utc_now(), model_digest=current.model_digest)
            latest = latest.model_copy(update={"withdrawn": {**latest.withdrawn, current.version: note}})
            if chosen and latest.withdraws(chosen):
                raise GraftError(
                    f"{chosen.version} was withdrawn, or has the latest version's model: go back to another version."
                )
            target = chosen or next((about for about in latest.candidates if about.version in there), None)
            if target is None:
                raise GraftError(f"{self.name} has no earlier version to go back to: name one, or publish one.")
            return _promoted(latest, target, "rollback")

        return self._change(change)

    def hold(self, reason: str) -> Latest:
        """Freezes the latest version: no promotion changes it, a rollback does."""
        return self._change(lambda latest: latest.model_copy(update={"hold": Note(reason=reason, time=utc_now())}))

    def release(self) -> Latest:
        """Ends a hold."""
        return self._change(lambda latest: latest.model_copy(update={"hold": None}))

    def best(self) -> About | None:
        """Returns the version of the highest accuracy of those that were promoted and not withdrawn, if it still is there."""
        there = set(self.versions.finished())
        known = [about for about in self.latest().candidates if about.accuracy is not None and about.version in there]
        return max(known, key=lambda about: about.accuracy or 0.0, default=None)

    def prune(self, keep: int, *, dry_run: bool = False) -> list[str]:
        """Removes old versions: all but the newest ones, the latest, and the one that a rollback would go back to.

        What killed publishers left goes as well, a day later.

        Args:
            keep: How many of the newest stay.
            dry_run: Whether to remove nothing.

        Returns:
            The versions that go.
        """
        finished = self.versions.finished()
        latest = self.latest()
        promoted = [about.version for about in latest.candidates if about.version in finished]
        stay = {*sorted(finished, key=lambda version: finished[version], reverse=True)[:keep], *promoted[:2]}
        go = sorted(set(finished) - stay - {latest.version}, key=lambda version: finished[version])
        go += self.versions.unfinished(older_than=time.time() - _A_DAY)
        with progress("removing versions", 0 if dry_run else len(go)) as advance:
            for version in () if dry_run else go:
                if self.latest().version != version:
                    self.versions.remove(version)
                advance(1)
        return go

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
            problems.append(f"{self._file} names {latest.version}, which is missing or unfinished.")
        return problems

    def _parse(self, content: bytes | None) -> Latest:
        return Latest() if content is None else Latest.parse(content, self._file)

    def _change(self, change: Callable[[Latest], Latest]) -> Latest:
        """Changes `latest.json` in one swap, deciding anew whenever somebody else was faster."""
        while True:
            seen = storage.look(self._file)
            before = self._parse(seen.content)
            after = change(before)
            if after == before or storage.swap(self._file, seen, after.text().encode()):
                return after


def _promoted(latest: Latest, about: About, by: Literal["pipeline", "person", "rollback"]) -> Latest:
    promotion = Promotion(about=about, time=utc_now(), by=by)
    return latest.model_copy(update={"version": about.version, "history": (*latest.history, promotion)})
