"""Digests of a file that is being written, taken as it is written."""

import hashlib
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import google_crc32c

_BLOCK = 2**20
_KINDS: dict[str, Callable[[], Any]] = {
    "sha256": hashlib.sha256,
    "md5": lambda: hashlib.md5(usedforsecurity=False),
    "crc32c": google_crc32c.Checksum,
}


class Digests:
    """Digests of a file that is being written.

    Args:
        file: The file.
        algorithms: Some of `sha256`, `md5` and `crc32c`.
    """

    def __init__(self, file: Path, algorithms: Iterable[str]) -> None:
        self._file = file
        self._digests = {algorithm: _KINDS[algorithm]() for algorithm in algorithms}
        self._end = 0

    def __getitem__(self, algorithm: str) -> bytes:
        """Returns the digest of what was written so far."""
        return bytes(self._digests[algorithm].digest())

    def go_on_at(self, position: int) -> None:
        """Goes on at a position; where that is not the end of what is known, all before it is read from the file.

        Args:
            position: The position, in bytes, at which the file ends.
        """
        if position == self._end:
            return
        self._digests = {algorithm: _KINDS[algorithm]() for algorithm in self._digests}
        self._end = 0
        with self._file.open("rb") as written:
            while block := written.read(_BLOCK):
                self.update(block)

    def update(self, content: bytes) -> None:
        """Takes what is written next."""
        for digest in self._digests.values():
            digest.update(content)
        self._end += len(content)
