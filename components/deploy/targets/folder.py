"""A folder of numbered versions, which TensorFlow Serving, or any other server, polls for the highest number."""

from collections.abc import Sequence
from uuid import uuid4

from graft.components.common import storage
from graft.components.common.artifacts.numbers import HIGHEST, Numbered, Numbers
from graft.components.common.artifacts.record import utc_now
from graft.components.common.errors import GraftError
from graft.components.deploy.candidate import Candidate
from graft.components.deploy.config import DeployConfig
from graft.components.deploy.targets.numbered import InBucket, NumberedVersions, OnDisk
from graft.components.deploy.targets.target import OvertakenError, Placed, Target


class Folder(Target):
    """A model's base path in a folder, on a disk or in a bucket.

    A record beside the numbers tells which version each is, and no number is ever given twice. Who brings a version first takes the next
    number: whoever decides later gets a higher one, which servers prefer, however slow the other one is.

    Args:
        config: Names the folder, and how many older versions stay.
        name: The model's name, which that of the base path is.
    """

    splits = False
    remedy = "This machine ran it, no server did: deploy it with the Graft that exported it, or export it again."

    def __init__(self, config: DeployConfig, name: str) -> None:
        base = f"{storage.absolute(config.to)}/{name}"
        self.where = f"folder {base}"
        self._record_uri = f"{base}/{Numbers.FILE}"
        self._versions: NumberedVersions = OnDisk(base) if storage.local_path(base) else InBucket(base)
        self._keep, self._seconds = config.keep, float(config.timeout)

    def look(self) -> list[Placed]:
        """Returns the versions that are there. As long as a higher number is being written, it is not certain which one is served."""
        given = self._read().numbers
        known = {entry.number: entry for entry in given}
        there = sorted(number for number, whole in self._versions.numbers().items() if whole)
        served = there[-1] if there else 0
        coming = given[-1] if given and given[-1].number > served else None
        placed: dict[str, Placed] = {}
        for number in there:
            entry = known.get(number)
            version = entry.version if entry else ""
            is_served = number == served
            where = f"number {number}" + (f", until {coming.number} is there" if coming and is_served else "")
            percent = 100 if is_served and not coming else 0
            placed.pop(version, None)
            placed[version] = Placed(version, percent, where, entry.counter if entry else 0)
        if coming and coming.version not in placed:
            placed[coming.version] = Placed(coming.version, 0, f"number {coming.number}, not there yet", coming.counter)
        return [*placed.values()]

    def plan(self, candidate: Candidate, percent: int) -> str:
        """Returns a sentence."""
        number = self._next(candidate, self._read()).number
        return (
            f"{self.where} would get version {candidate.version[:12]} as number {number}, which servers then take, once it answers as it "
            "did when it was exported."
        )

    def stage(self, candidate: Candidate) -> None:
        """Takes a number for a version, and prepares it."""
        self._versions.prepare(self._take_number(candidate), candidate)

    def ask(self, candidate: Candidate) -> bytes:
        """Runs what is prepared in a process of its own, as a server would."""
        return self._versions.ask(self._taken(candidate), candidate, self._seconds)

    def drop(self, candidate: Candidate) -> None:
        """Removes what is prepared. The number stays taken."""
        self._versions.drop(self._taken(candidate))

    def move(self, candidate: Candidate, percent: int) -> None:
        """Lets servers see the prepared version."""
        number = self._taken(candidate)
        self._versions.show(number, candidate)
        if self._taken(candidate) != number or max(self._versions.numbers()) != number:
            raise OvertakenError(f"{self.where} got a higher number meanwhile.")

    def clean(self, promoted: Sequence[str]) -> None:
        """Removes numbers below the one that is served: all but as many of promoted versions as the settings say."""
        numbers = self._versions.numbers()
        given = {entry.number: entry.version for entry in self._read().numbers}
        served = max((number for number, whole in numbers.items() if whole), default=0)
        kept = [given.get(served, "")]
        for number in sorted((number for number in numbers if number < served and number in given), reverse=True):
            version = given[number]
            if numbers[number] and version in promoted and version not in kept and len(kept) <= self._keep:
                kept.append(version)
            else:
                self._versions.remove(number)
        self._versions.tidy(served)

    def _read(self) -> Numbers:
        return self._parse(storage.look(self._record_uri))

    def _parse(self, seen: storage.Seen) -> Numbers:
        return Numbers() if seen.content is None else Numbers.parse(seen.content, self._record_uri)

    def _take_number(self, candidate: Candidate) -> int:
        while True:
            seen = storage.look(self._record_uri)
            record = self._parse(seen)
            entry = self._next(candidate, record)
            if entry in record.numbers or storage.swap(self._record_uri, seen, record.adding(entry).text().encode()):
                return entry.number

    def _next(self, candidate: Candidate, record: Numbers) -> Numbered:
        """Returns the number that is taken for a version already, if servers would prefer it to all that are there; else the next one."""
        highest = max(self._versions.numbers(), default=0)
        last = record.numbers[-1] if record.numbers else None
        if last and last.number >= highest and _is_for(last, candidate):
            return last
        number = max(highest, last.number if last else 0, 0) + 1
        if number > HIGHEST:
            raise GraftError(
                f"{self.where} holds the highest number that servers take, or gave it: remove that number, and {Numbers.FILE}."
            )
        return Numbered(
            number=number, version=candidate.version, token=uuid4().hex, time=utc_now(), counter=candidate.counter
        )

    def _taken(self, candidate: Candidate) -> int:
        """Returns the number that was taken for a version, if nobody has taken a higher one.

        Raises:
            OvertakenError: Somebody has.
        """
        numbers = self._read().numbers
        if not numbers or not _is_for(numbers[-1], candidate):
            raise OvertakenError(f"{self.where} is about to get another version.")
        return numbers[-1].number


def _is_for(entry: Numbered, candidate: Candidate) -> bool:
    return (entry.version, entry.counter) == (candidate.version, candidate.counter)
