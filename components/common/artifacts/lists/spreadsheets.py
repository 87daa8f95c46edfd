"""CSV as spreadsheets write it: by semicolons where numbers have commas, by tabs in their "Unicode text", which is UTF-16."""

import codecs
import csv
import io
import re
from collections.abc import Collection
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from _csv import Reader

SEPARATORS = ",;\t"
UTF_16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
"""What UTF-16 begins with, for there to be no doubt about it."""
_SEPARATOR_LINE = re.compile(rf"sep=([{SEPARATORS}])\s*", re.IGNORECASE)


def told_separator(line: str) -> str | None:
    """Returns what a line such as `sep=;` says; None if it is no such line."""
    told = _SEPARATOR_LINE.fullmatch(line)
    return told[1] if told else None


def separator_of(line: str, columns: Collection[str]) -> str | None:
    """Returns what separates a header's names.

    Args:
        line: The header.
        columns: Names of which it has one at least, in lower case.

    Returns:
        The separator; None if the line is no header by any.
    """
    for separator in SEPARATORS:
        names = next(csv.reader([line], delimiter=separator), [])
        if set(columns) & {name.strip().lower() for name in names}:
            return separator
    return None


def read_table(content: bytes, columns: Collection[str]) -> tuple[list[str], "Reader"]:
    """Reads a CSV: UTF-8, or UTF-16 with a byte order mark.

    Args:
        content: The file.
        columns: Names of which its header has one at least, in lower case.

    Returns:
        The header, empty if there is none; and a reader of `csv` for the rows behind it.

    Raises:
        UnicodeDecodeError: It is in neither encoding.
        csv.Error: It is no CSV.
    """
    text = content.decode("utf-16" if content[:2] in UTF_16 else "utf-8-sig")
    first = next((line for line in io.StringIO(text, newline="") if line.strip()), "")
    separator = told_separator(first) or separator_of(first, columns) or SEPARATORS[0]
    rows = csv.reader(io.StringIO(text, newline=""), strict=True, delimiter=separator)
    told = told_separator(first) is not None
    for cells in rows:
        if any(cells) and not told:
            return cells, rows
        told &= not any(cells)
    return [], rows
