"""Messages of protobuf, built from their fields: others' generated classes would bring whole packages along, such as TensorFlow's."""

from collections.abc import Mapping
from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

_KIND = descriptor_pb2.FieldDescriptorProto
_SCALARS = {
    "bool": _KIND.TYPE_BOOL,
    "bytes": _KIND.TYPE_BYTES,
    "int32": _KIND.TYPE_INT32,
    "int64": _KIND.TYPE_INT64,
    "string": _KIND.TYPE_STRING,
}
_LIST, _MAP = "*", "map "

Fields = Mapping[str, tuple[int, str]]


def message_class(name: str, messages: Mapping[str, Fields]) -> Any:
    r"""Builds the class of a message, in a pool of its own, so that TensorFlow's copy of the same is not disturbed.

    >>> box = message_class("Box", {"Box": {"sides": (1, "*int64"), "labels": (3, "map Label")}, "Label": {"text": (1, "string")}})
    >>> box(sides=[3, 4]).SerializeToString()
    b'\n\x02\x03\x04'

    Args:
        name: Which one of the messages.
        messages: Its fields, and those of the messages in it, by the messages' names. A field has a number and a type: `bool`, `bytes`,
            `int32`, `int64`, `string` or a message's name; `*` before it makes a list of it, and `map ` a map from strings to it.
    """
    file = descriptor_pb2.FileDescriptorProto(name="graft.proto", package="graft", syntax="proto3")
    for message, fields in messages.items():
        described = file.message_type.add(name=message)
        for field, (number, kind) in fields.items():
            if kind.startswith(_MAP):
                entry = f"{field.title().replace('_', '')}Entry"  # as protobuf calls it
                key_and_value = described.nested_type.add(name=entry)
                key_and_value.options.map_entry = True
                _add(key_and_value, "key", 1, "string")
                _add(key_and_value, "value", 2, kind.removeprefix(_MAP))
                kind = f"{_LIST}{message}.{entry}"
            _add(described, field, number, kind)
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName(f"graft.{name}"))


def _add(message: Any, field: str, number: int, kind: str) -> None:
    """Adds a field to a message's description."""
    label = _KIND.LABEL_REPEATED if kind.startswith(_LIST) else _KIND.LABEL_OPTIONAL
    added = message.field.add(name=field, number=number, label=label)
    kind = kind.removeprefix(_LIST)
    if kind in _SCALARS:
        added.type = _SCALARS[kind]
    else:
        added.type, added.type_name = _KIND.TYPE_MESSAGE, f".graft.{kind}"
