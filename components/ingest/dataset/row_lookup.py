"""Looking up rows of a table by a column's values, in little memory."""

import hashlib
from bisect import bisect_right
from collections.abc import Mapping
from itertools import accumulate
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
        key = _key(value)
        for place in range(self._keys.searchsorted(key), len(self._keys)):
            if self._keys[place] != key:
                break
            number = int(self._order[place])
            if self._column[number].as_py() == value:
                return number
        return None


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


class ImageRows:
    """Finds images that lie in shards by their paths, and by their content.

    Args:
        table: A row an image: columns of the index, and any others. Of images with the same bytes the first is found.
        shards: The numbers of the shards that can be used, by name; an image in another one is not found.

    Attributes:
        by_content: Finds a row's number by the digest of the image, whatever its shard.
    """

    def __init__(self, table: Any, shards: Mapping[str, int]) -> None:
        self._by_path, self.by_content = RowNumbers(table["path"]), RowNumbers(table["sha256"])
        # A slice of the whole table would cost more, the more parts it has.
        batches = table.to_batches()
        self._ends = list(accumulate(map(len, batches)))
        self._parts = [list(zip(batch.schema.names, batch.columns, strict=True)) for batch in batches]
        self._shards = shards

    def unchanged(self, path: str, version: str) -> dict[str, Any] | None:
        """Returns the row of a file that is as it was, its shard as a number; None if there is none.

        Args:
            path: The file's path in the source.
            version: What changes when the file does; empty if nothing is known to.
        """
        row = self._row(self._by_path.find(path)) if version else None
        return row if row and row["version"] == version else None

    def same_content(self, path: str, sha256: str) -> dict[str, Any] | None:
        """Returns the row of an image with the same bytes, the one of the same path first; None if there is none."""
        row = self._row(self._by_path.find(path))
        return row if row and row["sha256"] == sha256 else self._row(self.by_content.find(sha256))

    def _row(self, number: int | None) -> dict[str, Any] | None:
        if number is None:
            return None
        part = bisect_right(self._ends, number)
        values = {name: column[number - self._ends[part]].as_py() for name, column in self._parts[part]}
        shard = self._shards.get(values["shard"])
        return None if shard is None else values | {"shard": shard}


def _key(value: str) -> np.uint64:
    return np.uint64(int.from_bytes(hashlib.blake2b(value.encode(), digest_size=8).digest()))
