"""Corrections: what people have said about labels holds in every run, whatever the source says."""

import dataclasses
import hashlib
import io
from collections.abc import Iterable, Sequence

from graft.components.common import storage
from graft.components.common.artifacts.dataset import AppliedCorrections, Relabelled, Unusable
from graft.components.common.artifacts.lists.labels_list import (
    KEEP,
    LARGEST,
    REMOVE,
    ListedLabel,
    check_words,
    read_labels,
)
from graft.components.common.artifacts.outcomes.results import listed, one_line
from graft.components.common.errors import GraftError
from graft.components.ingest.config import IngestConfig
from graft.components.ingest.source.file_names import class_name, printable

_NAMED_LINES = 20
REMOVED = "is removed by a correction"


@dataclasses.dataclass(slots=True)
class _Verdict:
    """What the rows about an image say.

    Attributes:
        label: Its class, or `remove`; empty for a row that keeps whatever label the image has.
        only_keeps: Whether it holds as long as the source gives the image this label.
        line: The line of the first such row.
        used: Whether an image was met that it decides about.
    """

    label: str
    only_keeps: bool
    line: int
    used: bool = False


@dataclasses.dataclass(frozen=True, slots=True)
class Decided:
    """What became of an image.

    Attributes:
        label: Its class.
        kept: Whether a person decided that it is this one.
        removed: Whether the image is to be left out.
    """

    label: str
    kept: bool = False
    removed: bool = False


class Corrections:
    """The rows of a list that say something, and what they did to the images that came so far.

    A row is about the images with its digest, whatever their names and splits; one without a digest about that with its path.

    Args:
        rows: Rows of a list of labels.
        where: The list's path or URI without secrets.
        digest: SHA-256 of the list; empty for none.

    Attributes:
        relabelled: The images whose label was corrected.
        removed: The images to be left out.
        digest: SHA-256 of the list; empty for none.

    Raises:
        GraftError: Rows contradict each other.
    """

    def __init__(self, rows: Iterable[ListedLabel] = (), where: str = "", digest: str = "") -> None:
        self.relabelled, self.removed = list[Relabelled](), list[Unusable]()
        self._kept = 0
        self._where, self.digest = where, digest
        self._verdicts: dict[str, _Verdict] = {}
        for row in rows:
            if row.correction:
                self._add(row)

    def _add(self, row: ListedLabel) -> None:
        keeps = row.correction == KEEP
        verdict = _Verdict(class_name(row.label if keeps else row.correction), keeps, row.line)
        first = self._verdicts.setdefault(row.sha256 or _by_path(row.path), verdict)
        if first.label != verdict.label:
            said, before = (one_line(label or KEEP) for label in (verdict.label, first.label))
            raise GraftError(
                f"{self._where}, line {row.line}: `correction` says {said} of the image of which line {first.line} says {before}: leave "
                "one of them empty."
            )
        first.only_keeps &= keeps

    def check_classes(self, classes: Sequence[str]) -> None:
        """Checks that all new labels are classes of the source.

        Raises:
            GraftError: One isn't; or a class has the name of what else a row may say.
        """
        if not self._verdicts:
            return
        check_words(classes, self._where)
        known = {*classes, REMOVE}
        for verdict in self._verdicts.values():
            if not verdict.only_keeps and verdict.label not in known:
                raise GraftError(
                    f"{self._where}, line {verdict.line}: `correction` {one_line(verdict.label)!r} is no class of the source: write "
                    f"{listed(classes)}, {KEEP} or {REMOVE}."
                )

    def decide(self, sha256: str, path: str, label: str) -> Decided:
        """Returns what becomes of an image, and notes it.

        Args:
            sha256: Digest of its bytes.
            path: Its path in the source.
            label: The class that the source gives it.
        """
        verdict = self._verdicts.get(sha256) or self._verdicts.get(_by_path(path))
        if verdict is None or (verdict.only_keeps and verdict.label not in ("", label)):
            return Decided(label)
        verdict.used = True
        if verdict.label == REMOVE:
            self.removed.append(Unusable(path=path, label=label, reason=REMOVED))
            return Decided(label, removed=True)
        given = verdict.label or label
        if given == label:
            self._kept += 1
        else:
            self.relabelled.append(Relabelled(path=path, label=given, source_label=label, sha256=sha256))
        return Decided(given, kept=True)

    @property
    def applied(self) -> AppliedCorrections | None:
        """What came of the list, once all images have come; None if none was given."""
        if not self.digest:
            return None
        unused = [verdict.line for verdict in self._verdicts.values() if not verdict.used]
        return AppliedCorrections(
            list=self._where,
            sha256=self.digest,
            corrected=len(self.relabelled),
            removed=len(self.removed),
            kept=self._kept,
            without_effect=len(unused),
            lines_without_effect=tuple(unused[:_NAMED_LINES]),
        )

    def warnings(self) -> list[str]:
        """Returns a warning if no row is about an image that came: the list may be another source's."""
        if not self._verdicts or any(verdict.used for verdict in self._verdicts.values()):
            return []
        return [f"No row of {self._where} is about an image of the source: check that it is the list of this source."]


def read_corrections(config: IngestConfig) -> Corrections:
    """Reads the list of corrections that a configuration names; none if it names none.

    Raises:
        GraftError: It can't be read, is no such list, or its rows contradict each other; the message names the line.
    """
    if not config.corrections:
        return Corrections()
    uri = storage.uri_in(config.corrections)
    where = printable(storage.redact(uri))
    content = storage.read(uri, LARGEST, config.reach)
    return Corrections(read_labels(io.BytesIO(content), where), where, hashlib.sha256(content).hexdigest())


def _by_path(path: str) -> str:
    """Returns the key of an image that is known by its path alone, which no digest is."""
    return f"path:{path}"
