"""The file that a person's corrections go to: each is on the disk before the next one is asked for."""

import dataclasses
import io
from pathlib import Path

from graft.components.common import storage
from graft.components.common.artifacts.lists.labels_list import COLUMNS, LARGEST, ListedLabel, labels_csv, read_labels
from graft.components.common.artifacts.lists.spreadsheets import read_table
from graft.components.common.errors import GraftError


class CorrectionsFile:
    """A list of labels with corrections. What others write into it meanwhile stays, but for what is said of the same image.

    Args:
        path: The file; it need not exist. A link stays one.

    Raises:
        GraftError: Something else is there, which is not overwritten.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._read()

    def corrections(self) -> dict[str, str]:
        """Returns what it says by the image's digest, or by its path where it tells none."""
        return {_key(row): row.correction for row in self._read() if row.correction}

    def set(self, entry: ListedLabel, correction: str) -> None:
        """Says something of an image, or nothing if the correction is empty, in place of what was said of it.

        Raises:
            GraftError: The file can't be read or written, or is none of Graft's lists any more.
        """
        uri, is_written = str(self.path.resolve()), False
        while not is_written:  # somebody else may write meanwhile
            seen = storage.look(uri)
            rows = [row for row in self._rows(seen.content) if _key(row) != _key(entry)]
            if correction:
                rows.append(dataclasses.replace(entry, correction=correction))
            is_written = storage.swap(uri, seen, labels_csv(rows))

    def _read(self) -> list[ListedLabel]:
        try:
            return self._rows(storage.read(str(self.path), LARGEST))
        except storage.MissingError:
            return []

    def _rows(self, content: bytes | None) -> list[ListedLabel]:
        if content is None:
            return []
        rows = list(read_labels(io.BytesIO(content), str(self.path)))
        header, _ = read_table(content, COLUMNS)
        if tuple(header) != COLUMNS:  # it would lose its further columns
            raise GraftError(
                f"{self.path} has other columns than {','.join(COLUMNS)}: bring it into that form, or name another file by --output."
            )
        return rows


def _key(row: ListedLabel) -> str:
    return row.sha256 or row.path
