"""The tables of a Dataset, in Parquet files: what is said of one that can't be read."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

from graft.components.common.errors import GraftError


@contextlib.contextmanager
def named_if_damaged(table: Path) -> Iterator[None]:
    """Turns what Arrow says of a Dataset's table into an error that names it, and the remedy.

    Raises:
        GraftError: The table can't be read.
    """
    import pyarrow as pa

    try:
        yield
    except (pa.ArrowException, OSError) as error:
        raise GraftError(f"{table} is damaged ({type(error).__name__}): ingest it again.") from error
