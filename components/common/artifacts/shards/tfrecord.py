"""Shards of images: TFRecord files of `tf.train.Example`, written without importing TensorFlow.

That would take another 5 CPU seconds and 530 MiB (ingest of 3,000 photographs: 8.5 s and 154 MiB without it).

Formats: https://www.tensorflow.org/tutorials/load_data/tfrecord and tensorflow/core/example/{example,feature}.proto.
"""

import hashlib
import struct
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any

import google_crc32c
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

_MASK_DELTA = 0xA282EAD8


def _example_class() -> Any:
    """Builds the message class of `tf.train.Example`, in a pool of its own so that TensorFlow's copy is not disturbed."""
    file = descriptor_pb2.FileDescriptorProto(name="graft/example.proto", package="graft", syntax="proto3")
    field = descriptor_pb2.FieldDescriptorProto

    def message(parent: Any, name: str, *fields: tuple[str, int, int, int, str]) -> Any:
        added = parent.add(name=name)
        for field_name, number, label, kind, type_name in fields:
            added.field.add(name=field_name, number=number, label=label, type=kind, type_name=type_name or None)
        return added

    one, many = field.LABEL_OPTIONAL, field.LABEL_REPEATED
    message(file.message_type, "BytesList", ("value", 1, many, field.TYPE_BYTES, ""))
    message(file.message_type, "Int64List", ("value", 1, many, field.TYPE_INT64, ""))
    message(
        file.message_type,
        "Feature",
        ("bytes_list", 1, one, field.TYPE_MESSAGE, ".graft.BytesList"),
        ("int64_list", 3, one, field.TYPE_MESSAGE, ".graft.Int64List"),
    )
    features = message(
        file.message_type, "Features", ("feature", 1, many, field.TYPE_MESSAGE, ".graft.Features.FeatureEntry")
    )
    entry = message(
        features.nested_type,
        "FeatureEntry",
        ("key", 1, one, field.TYPE_STRING, ""),
        ("value", 2, one, field.TYPE_MESSAGE, ".graft.Feature"),
    )
    entry.options.map_entry = True
    message(file.message_type, "Example", ("features", 1, one, field.TYPE_MESSAGE, ".graft.Features"))
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("graft.Example"))


_Example = _example_class()


def example(features: dict[str, bytes | int]) -> bytes:
    """Serialises a `tf.train.Example`, always to the same bytes for the same features.

    Args:
        features: Values by key: bytes become a bytes list, ints an int64 list, each of one value.
    """
    message = _Example()
    for key, value in features.items():
        feature = message.features.feature[key]
        if isinstance(value, bytes):
            feature.bytes_list.value.append(value)
        else:
            feature.int64_list.value.append(value)
    return bytes(message.SerializeToString(deterministic=True))


def _masked_crc(data: bytes) -> bytes:
    crc = google_crc32c.value(data)
    return struct.pack("<I", (((crc >> 15) | (crc << 17)) + _MASK_DELTA) & 0xFFFFFFFF)


class ShardWriter:
    """Writes one TFRecord file and takes its SHA-256 on the way.

    Attributes:
        path: The file.
        records: How many records were written.
        bytes: How many bytes were written.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.records = 0
        self.bytes = 0
        self._digest = hashlib.sha256()
        self._file = path.open("wb")

    def write(self, record: bytes) -> None:
        """Appends a record."""
        length = struct.pack("<Q", len(record))
        for part in (length, _masked_crc(length), record, _masked_crc(record)):
            self._file.write(part)
            self._digest.update(part)
            self.bytes += len(part)
        self.records += 1

    def close(self) -> None:
        """Closes the file; a second time does nothing."""
        self._file.close()

    @property
    def sha256(self) -> str:
        """The SHA-256 of what was written so far, as hex digits."""
        return self._digest.hexdigest()


def image_at(file: IO[bytes], offset: int) -> bytes:
    """Returns the encoded image of a record.

    Args:
        file: A TFRecord file, opened for reading.
        offset: Where the record begins, in bytes.

    Raises:
        ValueError: The record is damaged.
    """
    file.seek(offset)
    header = file.read(12)
    record = file.read(int.from_bytes(header[:8], "little")) if header[8:] == _masked_crc(header[:8]) else b""
    if not record or file.read(4) != _masked_crc(record):
        raise ValueError(f"a record is damaged at byte {offset}")
    return bytes(_Example.FromString(record).features.feature["image/encoded"].bytes_list.value[0])


class RecordReader:
    """Reads records of TFRecord files in any order, after all their checksums were checked.

    Args:
        paths: The files; their records are numbered from 0 through all of them.

    Raises:
        OSError: A file can't be read.
        ValueError: A file is damaged or cut short.
    """

    def __init__(self, paths: Sequence[str]) -> None:
        self._places: list[tuple[Path, int, int]] = []
        for path in map(Path, paths):
            size = path.stat().st_size
            with path.open("rb") as file:
                while header := file.read(12):
                    length, start = int.from_bytes(header[:8], "little"), file.tell()
                    if header[8:] != _masked_crc(header[:8]) or start + length + 4 > size:
                        raise ValueError(f"{path.name} is cut short or damaged at byte {start}")
                    if _masked_crc(file.read(length)) != file.read(4):
                        raise ValueError(f"{path.name} is damaged at byte {start}")
                    self._places.append((path, start, length))

    def __len__(self) -> int:
        return len(self._places)

    def __getitem__(self, number: int) -> bytes:
        """Returns a record."""
        path, start, length = self._places[number]
        with path.open("rb") as file:
            file.seek(start)
            return file.read(length)
