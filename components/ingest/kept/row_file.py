"""A file of rows: what checking found of the images of one shard, and of files that are in none."""

import hashlib
import logging
from collections.abc import Iterable
from importlib.metadata import version
from typing import TYPE_CHECKING, Literal, Self

from pydantic import Field, ValidationError

from graft.components.common import storage
from graft.components.common.artifacts.dataset import Shard
from graft.components.common.artifacts.record import Part
from graft.components.common.errors import GraftError
from graft.components.common.runs.run import Run
from graft.components.ingest.dataset.collected_rows import COLUMNS, column_types

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq

log = logging.getLogger("graft")

_ABOUT = "graft"
# What a run decides is no part of what is kept. The shard is the file's.
_DECIDED = ("split", "label", "label_kept", "shard")
FACTS = tuple(name for name in COLUMNS if name not in _DECIDED)
"""The columns that an image has; other files have those of `ALWAYS` alone, and a digest or a reason."""
ALWAYS = ("path", "version", "bytes")
OTHERS = ("bytes", "reason", "thumbnail")


def rows_folder(run: Run) -> str:
    """Returns the folder of a store that keeps the rows of a name's images."""
    return f"{run.store.rstrip('/')}/models/{run.name}/rows"


class AboutRows(Part):
    """What a file of rows says of itself."""

    schema_version: Literal[1] = 1
    graft_version: str = Field(default_factory=lambda: version("graft"))
    shard: Shard | None

    def text(self) -> dict[str, str]:
        """Returns it as a file of rows holds it."""
        return {_ABOUT: self.model_dump_json()}

    @classmethod
    def parse(cls, text: bytes) -> Self:
        """Reads it.

        Raises:
            ValueError: It is damaged, or another version's.
        """
        try:
            about = cls.model_validate_json(text, strict=True)
        except ValidationError as error:
            raise ValueError("it is no file of rows") from error
        if about.graft_version != version("graft"):
            raise ValueError(f"it is of Graft {about.graft_version}")
        return about

    @classmethod
    def of(cls, file: "pq.FileMetaData") -> Self:
        """Returns what a file says of itself.

        Raises:
            ValueError: It is damaged, or another version's.
        """
        return cls.parse((file.metadata or {}).get(_ABOUT.encode(), b""))


def remove(files: Iterable[str]) -> None:
    """Removes files of rows that are needed no more; where that fails, the log says so, and `graft gc` will.

    Args:
        files: Their paths or URIs.
    """
    for uri in files:
        try:
            storage.delete(uri)
        except GraftError as error:  # what the step has made is not to be lost for this
            log.warning("%s is needed no more, and can't be removed: %s", storage.redact(uri), error)


def schema() -> "pa.Schema":
    """Returns the columns of a file of rows."""
    import pyarrow as pa

    types = column_types() | {"bytes": pa.int64(), "thumbnail": pa.binary()}
    return pa.schema([(name, types.get(name, pa.string())) for name in (*FACTS, *OTHERS)])


def parse(content: bytes, name: str, shards: str) -> "tuple[pa.Table, Shard | None]":
    """Reads a file of rows.

    Args:
        content: Its bytes.
        name: Its name, which is their digest.
        shards: Path or URI of the folder of the store's shards.

    Returns:
        The rows, and the shard of those that are images.

    Raises:
        ValueError: It is damaged, or another version's.
        pa.ArrowException: It is damaged.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    if hashlib.sha256(content).hexdigest() != name:
        raise ValueError("it is damaged")
    with pq.ParquetFile(pa.BufferReader(content), pre_buffer=False) as file:
        about = AboutRows.of(file.metadata)
        table = file.read().replace_schema_metadata()
    if not table.schema.equals(schema()):
        raise ValueError("it has other columns")
    table.validate(full=True)
    _check_shard(about.shard, shards)
    _check(table, about.shard)
    return table, about.shard


def _check_shard(shard: Shard | None, shards: str) -> None:
    if shard and (shard.uri != f"{shards}/{shard.name}" or not shard.name.startswith(shard.sha256)):
        raise ValueError(f"its shard {shard.uri!r} is none of this store")


def _check(table: "pa.Table", shard: Shard | None) -> None:
    """Checks the values of a table.

    Raises:
        ValueError: Some can't be.
    """
    import pyarrow.compute as pc

    images = table.filter(pc.is_valid(table["record"]))
    others = table.filter(pc.is_null(table["record"]))
    wrong = [
        any(table[name].null_count for name in ALWAYS),
        any(images[name].null_count for name in FACTS),
        pc.any(pc.invert(pc.xor(pc.is_valid(others["reason"]), pc.is_valid(others["sha256"])))).as_py(),
        _any_unlike(table["sha256"], "^[0-9a-f]{64}$"),
        _any_unlike(images["phash"], "^[0-9a-f]{16}$"),
        _any_outside(images["record"], shard.images if shard else 0),
        _any_outside(images["offset"], shard.bytes if shard else 0),
        _any_outside(images["brightness"], 256),
        pc.any(pc.less(pc.min_element_wise(images["width"], images["height"]), 1)).as_py(),
        pc.any(pc.less(table["bytes"], 0)).as_py(),
    ]
    if any(wrong):
        raise ValueError("its values are out of bounds")


def _any_unlike(column: "pa.ChunkedArray", pattern: str) -> bool:
    import pyarrow.compute as pc

    return bool(pc.any(pc.invert(pc.match_substring_regex(column, pattern))).as_py())


def _any_outside(column: "pa.ChunkedArray", end: int) -> bool:
    """Whether a value is below 0, at `end` or above, or no number."""
    import pyarrow.compute as pc

    return not pc.all(pc.and_(pc.greater_equal(column, 0), pc.less(column, end)), min_count=0).as_py()
