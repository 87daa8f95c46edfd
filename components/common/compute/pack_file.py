"""A pack as a file: rows of numbers by the content of the image, in Arrow, with what they were computed from in its metadata."""

import io
import json
from collections.abc import Sequence
from typing import Any, BinaryIO

import numpy as np
import pyarrow as pa

SUFFIX = ".arrow"
UNREADABLE = (pa.ArrowException, ValueError, OSError)
"""Whatever is raised of bytes that are no pack."""

_KIND = "kind"

Array = np.ndarray[Any, Any]


def pack(sha256s: Sequence[str], values: Array, what: str, kind: str) -> bytes:
    """Returns a pack.

    Args:
        sha256s: Content digests of the images.
        values: [N, width], a row an image.
        what: What the rows are, the name of their column.
        kind: What they were computed from, as JSON.
    """
    schema = _schema(values.dtype, values.shape[1], what, kind)
    data = pa.py_buffer(np.ascontiguousarray(values))
    column = pa.FixedSizeBinaryArray.from_buffers(schema.field(what).type, len(values), [None, data])
    buffer = io.BytesIO()
    with pa.ipc.new_file(buffer, schema) as writer:
        writer.write_batch(pa.record_batch([pa.array(sha256s, pa.string()), column], schema))
    return buffer.getvalue()


def unpack(content: bytes, dtype: type[np.generic], width: int, what: str, kind: str) -> tuple[list[str], Array]:
    """Returns a pack's content digests, and its rows, dtype [N, width], the latter within `content`.

    Raises:
        ValueError: Its rows are of another width, or were computed from something else.
        Exception: Another one of `UNREADABLE`: it is no pack.
    """
    file = pa.ipc.open_file(pa.BufferReader(content))
    if not file.schema.equals(_schema(np.dtype(dtype), width, what, kind), check_metadata=True):
        raise ValueError(f"it holds {what} of another kind")
    batch = file.get_batch(0)  # a pack is written as one
    batch.validate(full=True)
    names, column = batch.column("sha256"), batch.column(what)
    if names.null_count or column.null_count:
        raise ValueError("it has gaps")
    row = column.type.byte_width
    data = column.buffers()[1].slice(column.offset * row, len(column) * row)
    return names.to_pylist(), np.frombuffer(data, dtype).reshape(-1, width)


def kind_and_names(file: BinaryIO) -> tuple[dict[str, Any], list[str]]:
    """Reads what the rows of a pack were computed from, and the content digests of their images, but not the rows.

    Args:
        file: The pack, opened for reading.

    Raises:
        Exception: One of `UNREADABLE`: it is no pack.
    """
    opened = pa.ipc.open_file(file, options=pa.ipc.IpcReadOptions(included_fields=[0]))
    kind = json.loads((opened.schema.metadata or {}).get(_KIND.encode(), b""))
    if not isinstance(kind, dict):
        raise ValueError("it doesn't tell what it holds")
    batches = [opened.get_batch(number) for number in range(opened.num_record_batches)]
    return kind, [name for batch in batches for name in batch.column(0).to_pylist()]


def _schema(dtype: "np.dtype[Any]", width: int, what: str, kind: str) -> pa.Schema:
    """Returns a pack's columns, a row being the bytes of its numbers, and what it was computed from."""
    row = pa.binary(width * dtype.itemsize)
    return pa.schema([("sha256", pa.string()), (what, row)]).with_metadata({_KIND: kind})
