"""Looking up rows of a table by a column's values, in little memory."""

import hashlib
from typing import Any

import numpy as np


class RowNumbers:
    """Finds the first row of a column with some value.

    100,000 rows take 1.5 MiB; in a dictionary their paths take 13 MiB and their digests 17 MiB.

    Args:
        column: Strings.
    """

    def __init__(self, column: Any) -> None:
        self._column = column
        keys = np.fromiter((_key(value.as_py()) for value in column), np.uint64, len(column))
        self._order = np.argsort(keys, kind="stable")
        self._keys = keys[self._order]

    def find(self, value: str) -> int | None:
        """Returns the row's number; None if there is none."""
        start, end = (int(np.searchsorted(self._keys, _key(value), side)) for side in ("left", "right"))
        numbers = self._order[start:end].tolist()
        return next((number for number in numbers if self._column[number].as_py() == value), None)


class Rows:
    """Finds the first row of a table that has some value in a column.

    Args:
        table: The table.
        column: The column's name; it holds strings.
    """

    def __init__(self, table: Any, column: str) -> None:
        self._table = table.combine_chunks()
        self._numbers = RowNumbers(self._table[column])

    def find(self, value: str) -> dict[str, Any] | None:
        """Returns the row's values by column; None if there is none."""
        number = self._numbers.find(value)
        return None if number is None else dict(self._table.slice(number, 1).to_pylist()[0])


def _key(value: str) -> np.uint64:
    return np.uint64(int.from_bytes(hashlib.blake2b(value.encode(), digest_size=8).digest()))
