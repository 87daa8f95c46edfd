"""The lines of a manifest as text, in the encodings that spreadsheets write, none of them longer than a row may be."""

import codecs
from collections.abc import Iterator
from typing import IO

from graft.components.common.artifacts.lists.spreadsheets import UTF_16

# A row in all, however many lines it has; also the longest field that the csv module takes.
MAX_ROW_BYTES = 128 * 2**10


class RowError(Exception):
    """A row that can't be used; its text says why and what to do, without its place."""


class Lines:
    """The decoded lines of a manifest, an iterator.

    Args:
        file: The open manifest: UTF-8 with or without a byte order mark, or UTF-16 with one.

    Attributes:
        number: How many lines were read.
        first: Number of the current row's first line, from 1, set by who knows the rows.
        bytes: Bytes of the current row so far, set to 0 by who knows the rows.
    """

    def __init__(self, file: IO[bytes]) -> None:
        self.number, self.first, self.bytes = 0, 1, 0
        is_utf_16 = file.read(2) in UTF_16
        file.seek(0)
        self._encoding = "UTF-16" if is_utf_16 else "UTF-8"
        self._utf_16 = _utf_16_lines(file) if is_utf_16 else None
        self._file = file

    def __iter__(self) -> "Lines":
        return self

    def __next__(self) -> str:
        """Returns the next line with its end.

        Raises:
            RowError: It is not text, or makes its row too long.
        """
        try:
            text, size = self._read()
        except UnicodeError as error:
            raise RowError(f"is not {self._encoding}: save the manifest as UTF-8") from error
        if not text:
            raise StopIteration
        if not self.number and "\n" not in text and "\r" in text.rstrip("\r"):
            raise RowError("ends its lines with CR alone, as old Macs do: save the manifest as CSV in UTF-8")
        text = text.lstrip("\ufeff")  # a byte order mark, also in the middle, where files were joined
        self.number += 1
        self.bytes += size
        if self.bytes > MAX_ROW_BYTES:
            raise RowError(f"the row is longer than {MAX_ROW_BYTES >> 10} KiB: shorten it, or close its quotes")
        if "\0" in text:
            raise RowError("holds a NUL character: save the manifest as UTF-8 text")
        return text

    def _read(self) -> tuple[str, int]:
        if self._utf_16:
            text = next(self._utf_16, "")
            return text, len(text.encode())
        line = self._file.readline(MAX_ROW_BYTES + 1)
        if len(line) + self.bytes > MAX_ROW_BYTES:
            return line.decode("utf-8", "replace"), len(line)  # it may end within a character
        return line.decode(), len(line)


def _utf_16_lines(file: IO[bytes]) -> Iterator[str]:
    """Yields the lines of UTF-16, whose ends are no single bytes; one that is too long for a row in pieces."""
    decoder, begun = codecs.getincrementaldecoder("utf-16")(), ""
    while block := file.read(MAX_ROW_BYTES):
        *lines, begun = (begun + decoder.decode(block)).split("\n")
        yield from (f"{line}\n" for line in lines)
        if len(begun) > MAX_ROW_BYTES:
            yield begun
            begun = ""
    if begun := begun + decoder.decode(b"", final=True):
        yield begun
