"""Writing a table to an open file row by row, a few thousand of them in memory at a time."""

import contextlib
import tempfile
from collections.abc import Iterator
from typing import IO, TYPE_CHECKING, Any, Self

from graft.components.common.errors import GraftError

if TYPE_CHECKING:
    import pyarrow as pa

ROWS_A_GROUP = 4 * 1024  # the writer starts a row group with each table, so a row's group follows from its number


class TableWriter:
    """Writes a Parquet file: a context manager.

    Args:
        file: The open file.
        schema: The columns.
    """

    def __init__(self, file: IO[bytes], schema: "pa.Schema") -> None:
        import pyarrow.parquet as pq

        self._schema = schema
        self._writer = pq.ParquetWriter(file, schema, compression="none", use_dictionary=False)
        self._waiting: list[tuple[Any, ...]] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        """Ends the file, if all went well."""
        try:
            if not kind:
                self.end()
        finally:
            if self._writer.is_open:
                with contextlib.suppress(OSError):  # what went wrong first is what counts
                    self._writer.close()

    def append(self, values: tuple[Any, ...]) -> None:
        """Appends a row.

        Raises:
            GraftError: The file can't be written.
        """
        self._waiting.append(values)
        if len(self._waiting) == ROWS_A_GROUP:
            self._flush()

    def end(self, about: dict[str, str] | None = None) -> None:
        """Writes what is still in memory and the file's end; a second time does nothing.

        Args:
            about: What the file is to say of itself.

        Raises:
            GraftError: The file can't be written.
        """
        if self._writer.is_open:
            self._flush()
            with _space():
                self._writer.add_key_value_metadata(about or {})
                self._writer.close()

    def _flush(self) -> None:
        import pyarrow as pa

        if self._waiting:
            columns = zip(*self._waiting, strict=True)
            arrays = [pa.array(values, field.type) for values, field in zip(columns, self._schema, strict=True)]
            with _space():
                self._writer.write_table(pa.Table.from_arrays(arrays, schema=self._schema))
            self._waiting = []


@contextlib.contextmanager
def _space() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise GraftError(
            f"The temporary folder {tempfile.gettempdir()} can't hold the rows of the index ({error.strerror or error}): make room "
            "there, or name another one in the environment variable TMPDIR."
        ) from error
