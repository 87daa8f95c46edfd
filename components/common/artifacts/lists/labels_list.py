"""Labels that are probably wrong: what a record says of them, and the list that a person fills in, a CSV with one writer and one reader."""

import csv
import dataclasses
import io
import re
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path
from typing import IO

from pydantic import Field

from graft.components.common import storage
from graft.components.common.artifacts.lists.spreadsheets import read_table
from graft.components.common.artifacts.record import Interval, Part, Sparse
from graft.components.common.errors import GraftError

COLUMNS = ("sha256", "path", "split", "label", "suggested", "confidence", "correction")
"""The columns, in this order. `correction` is a class, `remove` or `keep`; empty says nothing."""
KEEP, REMOVE = "keep", "remove"
"""What a correction may be besides a class: the label is right; the image is to be left out."""
LARGEST = 64 * 2**20
"""Bytes that a list may have: of 100,000 rows it has about 20 MB."""
_NEEDED = ("correction", "sha256", "path")
_DIGEST = re.compile(r"[0-9a-f]{64}")
# What a spreadsheet takes for a formula if a cell starts with it; the wide ones are what it makes of the narrow ones in East Asia.
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠", "'")


class CheckedSplit(Part):
    """The images of a split whose labels were looked at."""

    split: str = Field(description="The split.")
    images: int = Field(description="Its images whose labels were looked at.")
    suspected: int = Field(description="Those of them whose labels are probably wrong; `labels.csv` lists them.")
    left_out: Sparse[int] = Field(
        None,
        description="Its other images: the store has no features of them, these are no finite numbers, or their class has fewer than 20 "
        "different ones. None for none.",
    )


class LabelCheck(Part):
    """Labels that are probably wrong, by the images themselves (Northcutt, Jiang and Chuang, JAIR 70, 2021)."""

    reason: Sparse[str] = Field(None, description="Why no labels were looked at; else None.")
    splits: tuple[CheckedSplit, ...] = Field((), description="The splits that were looked at, the evaluated one first.")
    accuracy_without: Sparse[float] = Field(
        None, description="Accuracy on the evaluated images that are not suspected."
    )
    accuracy_range: Sparse[Interval] = Field(
        None, description="Lowest and highest accuracy that there may be, whichever of the suspected labels are wrong."
    )

    @property
    def suspected(self) -> int:
        """Suspected images of all splits."""
        return sum(split.suspected for split in self.splits)

    @property
    def suspected_here(self) -> int:
        """Suspected images of the evaluated split."""
        return self.splits[0].suspected if self.splits else 0


@dataclasses.dataclass(frozen=True)
class ListedLabel:
    """An image whose label is probably wrong, and what a person says about it.

    Attributes:
        sha256: SHA-256 of the image's bytes in hexadecimal; empty if the list names the image by its path alone.
        path: Its path in the source; empty if the list names it by its digest alone.
        split: Its split.
        label: The class that it has.
        suggested: The class that it looks like.
        confidence: Probability of the suggested class, 0 to 1; None where the list has none.
        correction: The right class, `remove`, `keep`, or nothing.
        line: The line of the list in which the row ends, for messages; 0 if it was read from none.
    """

    sha256: str
    path: str
    split: str = ""
    label: str = ""
    suggested: str = ""
    confidence: float | None = None
    correction: str = ""
    line: int = 0


def write_labels(path: Path, rows: Iterable[ListedLabel]) -> None:
    """Writes a list atomically.

    Args:
        path: The file.
        rows: Its rows, in this order.
    """
    storage.write(str(path), labels_csv(rows))


def labels_csv(rows: Iterable[ListedLabel]) -> bytes:
    """Returns a list of these rows as its file holds it: UTF-8 with the quoting of RFC 4180. No cell can be taken for a formula."""
    text = io.StringIO(newline="")
    writer = csv.writer(text)  # its dialect is RFC 4180's
    writer.writerow(COLUMNS)
    for row in rows:
        confidence = "" if row.confidence is None else f"{row.confidence:.4f}"
        cells = [row.sha256, row.path, row.split, row.label, row.suggested, confidence, row.correction]
        writer.writerow(map(escaped_cell, cells))
    return text.getvalue().encode()


def read_labels(file: IO[bytes], where: str) -> Iterator[ListedLabel]:
    """Reads a list, as written or as a person or a spreadsheet saved it: columns in any order, further ones ignored.

    Args:
        file: The open list.
        where: Its path or URI without secrets, for messages.

    Yields:
        Its rows; white space around a correction is left out. Each names its image by digest or path, or by both.

    Raises:
        GraftError: It is no such list, or is larger than 64 MiB, or a row names no image.
    """
    content = file.read(LARGEST + 1)
    if len(content) > LARGEST:
        raise GraftError(f"{where} is larger than {LARGEST >> 20} MiB: name a list of labels, or split it.")
    try:
        header, rows = read_table(content, _NEEDED)
    except UnicodeDecodeError as error:
        raise GraftError(f"{where} is not UTF-8: save it as CSV in UTF-8.") from error
    except csv.Error as error:
        raise GraftError(f"{where} is no CSV ({error} in its header): save it as CSV again.") from error
    if "correction" not in header or not {"sha256", "path"} & set(header) or len(set(header)) < len(header):
        raise GraftError(
            f"{where} is no list of labels: its first line must name `correction`, and `sha256` or `path` or both, each once and "
            "separated by commas, semicolons or tabs."
        )
    try:
        for cells in rows:
            if any(cells):
                yield _row(dict(zip(header, map(plain_cell, cells), strict=False)), rows.line_num, where)
    except csv.Error as error:
        raise GraftError(f"{where} is no CSV ({error} in line {rows.line_num}): save it as CSV again.") from error


def check_words(classes: Collection[str], where: str) -> None:
    """Checks that what a correction may say besides a class is no class.

    Raises:
        GraftError: It is one.
    """
    for word in (KEEP, REMOVE):
        if word in classes:
            raise GraftError(
                f"{where} can't be used: a class of the source is called {word}, as what a `correction` may say: rename it."
            )


def escaped_cell(text: str) -> str:
    """Returns text as a cell that no spreadsheet takes for a formula: with an apostrophe before what could be one.

    >>> escaped_cell("=cat.jpg"), escaped_cell("cat.jpg"), plain_cell(escaped_cell("=cat.jpg"))
    ("'=cat.jpg", 'cat.jpg', '=cat.jpg')
    """
    return f"'{text}" if _is_risky(text) else text


def plain_cell(cell: str) -> str:
    """Returns the text that `escaped_cell` made a cell of; others stay as they are."""
    return cell[1:] if cell.startswith("'") and _is_risky(cell[1:]) else cell


def _is_risky(text: str) -> bool:
    return text.startswith(_FORMULA) or text.lstrip().startswith(_FORMULA)


def _row(cells: dict[str, str], line: int, where: str) -> ListedLabel:
    """Returns a row.

    Raises:
        GraftError: It names no image.
    """
    sha256, path = cells.get("sha256", "").strip().lower(), cells.get("path", "")
    if sha256 and not _DIGEST.fullmatch(sha256):
        raise GraftError(f"{where}, line {line}: `sha256` is no digest of 64 hexadecimal digits: copy it anew.")
    if not sha256 and not path:
        raise GraftError(f"{where}, line {line} names no image: fill in `sha256` or `path`.")
    known = {name: cells.get(name, "") for name in ("split", "label", "suggested")}
    return ListedLabel(
        sha256, path, **known, confidence=_confidence(cells), correction=cells.get("correction", "").strip(), line=line
    )


def _confidence(cells: dict[str, str]) -> float | None:
    """Returns the confidence, or None: a spreadsheet may have made anything of it, and nothing hangs on it."""
    text = cells.get("confidence", "")
    return float(text) if re.fullmatch(r"[01](\.\d{1,9})?", text) else None
