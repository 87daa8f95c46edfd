"""The listing of a source: what its storage told of each file, asked once a run: `resolve` leaves it for `ingest`."""

import bisect
import hashlib
import logging
from collections.abc import Iterable
from typing import TYPE_CHECKING, Self

from graft.components.common import storage

if TYPE_CHECKING:
    import pyarrow as pa

log = logging.getLogger("graft")

LISTING = "listing.parquet"
"""Its name in the folder of a run's records. The step that takes it removes it; its parts, which come before, only read it."""
_SCHEMA_VERSION = 1


class SourceListing:
    """The files of a source by path: 130 MB for a million of them, where a dictionary takes 400.

    Args:
        table: The columns path (its bytes, ascending), size and version.
    """

    def __init__(self, table: "pa.Table") -> None:
        self._table = table.combine_chunks()
        self._paths, self._sizes, self._versions = (column.combine_chunks() for column in self._table.columns)

    @classmethod
    def of(cls, files: Iterable[tuple[str, int | None, str]]) -> Self:
        """Returns a listing of some files.

        Args:
            files: Path, size in bytes, if it is told, and version of each; empty where none is told.
        """
        import pyarrow as pa

        paths, sizes, versions = list[bytes](), list[int | None](), list[str]()
        for path, size, version in files:
            paths.append(_encoded(path))
            sizes.append(size)
            versions.append(version)
        return cls(pa.table([paths, sizes, versions], schema=_schema()).sort_by("path"))

    def paths(self) -> list[str]:
        """Returns all paths, ascending."""
        return _decoded(self._paths)

    def find(self, path: str) -> tuple[int | None, str] | None:
        """Returns a file's size and version; None for one that is not listed."""
        wanted = _encoded(path)
        row = bisect.bisect_left(range(len(self._paths)), wanted, key=lambda row: self._paths[row].as_py())
        if row == len(self._paths) or self._paths[row].as_py() != wanted:
            return None
        return self._sizes[row].as_py(), self._versions[row].as_py()

    def keep(self, folder: str, source: str, digest: str) -> None:
        """Leaves the listing in the folder of a run's records.

        Args:
            folder: Path or URI of that folder.
            source: The source's URI, of which only a digest is kept.
            digest: What `resolve` found the run to be about.

        Raises:
            GraftError: The store can't be written.
        """
        import pyarrow.parquet as pq

        table = self._table.replace_schema_metadata(_about(source, digest))
        with storage.scratch_folder("listing") as scratch:
            pq.write_table(table, scratch / LISTING, compression="zstd", write_page_checksum=True)
            storage.put(scratch / LISTING, f"{folder}/{LISTING}")

    @classmethod
    def read(cls, folder: str, source: str, digest: str) -> Self | None:
        """Reads the listing that `resolve` left, if it is of this source and run, and whole.

        Args:
            folder: Path or URI of the folder of the run's records.
            source: The source's URI.
            digest: What `resolve` found the run to be about.

        Returns:
            The listing; None if the source has to be listed anew.

        Raises:
            GraftError: The store can't be reached.
        """
        import pyarrow as pa
        import pyarrow.parquet as pq

        uri = f"{folder}/{LISTING}"
        with storage.scratch_folder("listing") as scratch:
            try:
                file = storage.fetch(uri, scratch, keep=False)
                table = pq.read_table(file, page_checksum_verification=True, memory_map=False)
                _check(table, _about(source, digest))
            except storage.MissingError:
                return None
            except (storage.FileError, pa.ArrowException, OSError, ValueError) as error:
                log.info("The source is listed anew, since %s can't be used: %s", storage.redact(uri), error)
                return None
        return cls(table)

    @classmethod
    def take(cls, folder: str, source: str, digest: str) -> Self | None:
        """Reads the listing as `read` does, and removes it: the next one is to see the source of its time."""
        try:
            return cls.read(folder, source, digest)
        finally:
            storage.delete(f"{folder}/{LISTING}")


def _schema() -> "pa.Schema":
    import pyarrow as pa

    return pa.schema([("path", pa.binary()), ("size", pa.int64()), ("version", pa.string())])


def _about(source: str, digest: str) -> dict[bytes, bytes]:
    about = {
        "schema_version": str(_SCHEMA_VERSION),
        "source": hashlib.sha256(source.encode("utf-8", "surrogateescape")).hexdigest(),
        "digest": digest,
    }
    return {key.encode(): value.encode() for key, value in about.items()}


def _check(table: "pa.Table", about: dict[bytes, bytes]) -> None:
    """Checks a table that was read.

    Raises:
        ValueError: It is no listing, or that of another source or run, or a path in it is no text.
        pa.ArrowException: It is damaged.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    if not table.schema.equals(_schema()) or table.schema.metadata != about:
        raise ValueError("it is of another source, run or version of Graft")
    table.validate(full=True)
    paths = table["path"].combine_chunks()
    if paths.null_count or table["version"].null_count:
        raise ValueError("it has gaps")
    if pc.any(pc.greater_equal(paths[:-1], paths[1:])).as_py():
        raise ValueError("it is not in order")
    if pc.any(pc.match_substring_regex(paths.cast(pa.large_binary()), r"(^/|(^|/)\.\.(/|$))")).as_py():
        raise ValueError("a path in it leads out of the source")
    _decoded(paths)


def _encoded(path: str) -> bytes:
    return path.encode("utf-8", "surrogatepass")  # a file's name that is no valid UTF-8 has lone surrogates


def _decoded(paths: "pa.Array") -> list[str]:
    return [path.as_py().decode("utf-8", "surrogatepass") for path in paths]
