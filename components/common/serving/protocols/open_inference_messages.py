"""Messages of the Open Inference Protocol: what JSON may hold, and tensors in it or, in binary form, behind it."""

import math
import struct
from typing import Annotated

import numpy as np
from pydantic import Field

from graft.components.common.serving.protocols.json_body import JsonPart
from graft.components.common.serving.protocols.values import Array, decode_base64, typed
from graft.components.common.serving.refusals import Refusal
from graft.components.common.serving.signatures import DTYPES, STRING, TensorSpec

_LENGTH = struct.Struct("<I")  # before each string of a binary tensor
_Size = Annotated[int, Field(ge=0, lt=2**63)]


class _InputParameters(JsonPart):
    binary_data_size: _Size | None = None
    content_type: str | None = None


class Input(JsonPart):
    """A tensor that is given: in `data`, or in binary form."""

    name: str
    shape: tuple[_Size, ...]
    datatype: str
    data: list[object] | None = None
    parameters: _InputParameters = _InputParameters()


class _OutputParameters(JsonPart):
    binary_data: bool | None = None


class Output(JsonPart):
    """An output that is asked for."""

    name: str
    parameters: _OutputParameters = _OutputParameters()


class _RequestParameters(JsonPart):
    binary_data_output: bool = False


class InferRequest(JsonPart):
    """What is asked for."""

    inputs: tuple[Input, ...]
    outputs: tuple[Output, ...] = ()
    id: str | None = None
    parameters: _RequestParameters = _RequestParameters()


def listed(given: Input, spec: TensorSpec, where: str) -> Array:
    """Returns a tensor that JSON holds, as a flat list or a nested one."""
    values = np.array(given.data, object)
    if values.shape != given.shape and values.shape != (math.prod(given.shape),):
        raise Refusal(
            f"{where} must have the {math.prod(given.shape)} values of its shape, in a list or nested as it is."
        )
    is_base64 = given.parameters.content_type == "base64"
    return typed(values, spec, where, decode_base64 if is_base64 else _text).reshape(given.shape)


def _text(value: object, where: str) -> bytes:
    if not isinstance(value, str):
        raise Refusal(f"{where} must hold texts.")
    return value.encode()


def binary_tensor(content: memoryview, size: int, shape: tuple[int, ...], spec: TensorSpec, where: str) -> Array:
    """Returns a tensor that lies behind the JSON: little-endian numbers, or strings, each after its length."""
    count = math.prod(shape)
    if len(content) != size:
        raise Refusal(f"{where} has {len(content)} bytes, and not the {size} of 'binary_data_size'.")
    if spec.dtype != STRING:
        dtype = DTYPES[spec.dtype].newbyteorder("<")
        if size != count * dtype.itemsize:
            raise Refusal(f"{where} must have {count * dtype.itemsize} bytes by its shape, and not {size}.")
        return np.frombuffer(content, dtype).reshape(shape)
    strings: list[bytes] = []
    while len(content) and len(strings) < count:
        (length,) = _LENGTH.unpack(content[: _LENGTH.size]) if len(content) >= _LENGTH.size else (len(content),)
        string, content = content[_LENGTH.size :][:length], content[_LENGTH.size + length :]
        if len(string) != length:
            raise Refusal(f"{where} ends within a string.")
        strings.append(bytes(string))
    if len(content) or len(strings) != count:
        raise Refusal(f"{where} must have the {count} strings of its shape, each after its length in 4 bytes.")
    array = np.empty(count, object)
    array[:] = strings
    return array.reshape(shape)


def bytes_of(array: Array, dtype: int) -> bytes:
    """Returns a tensor in binary form."""
    if dtype == STRING:
        return b"".join(_LENGTH.pack(len(value)) + value for value in array.ravel().tolist())
    return array.astype(DTYPES[dtype].newbyteorder("<")).tobytes()
