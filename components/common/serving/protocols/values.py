"""Values of JSON to arrays for the model, checked before anything is made of them."""

import base64
import binascii
from collections.abc import Callable
from typing import Any

import numpy as np

from graft.components.common.serving.batching import Arrays
from graft.components.common.serving.refusals import Refusal
from graft.components.common.serving.signatures import DTYPES, STRING, Signature, TensorSpec

MAX_ROWS = 128
"""Images that a request may have."""

Array = np.ndarray[Any, Any]


def decode_base64(text: object, where: str) -> bytes:
    """Decodes base64.

    Raises:
        Refusal: It is none.
    """
    try:
        if not isinstance(text, str):
            raise ValueError
        return base64.b64decode(text, validate=True)
    except (ValueError, binascii.Error) as error:
        raise Refusal(f"{where} is not base64.") from error


def array_of(value: object, spec: TensorSpec, where: str, string: Callable[[object, str], bytes]) -> Array:
    """Makes an array of nested lists.

    Args:
        value: What JSON holds.
        spec: The input that it is for, which also tells how deep lists are nested.
        where: What it is, for messages.
        string: Makes bytes of what stands for a string.

    Raises:
        Refusal: It is not of the type and rank of the input.
    """
    rank = len(spec.shape)
    if rank and not isinstance(value, list):
        raise Refusal(f"{where} must be a list.")
    # As objects: numpy would make of texts an array in which each takes as much room as the longest.
    values = np.array(value, object)
    # Lists of different lengths stay lists in it.
    if values.ndim != rank or any(kind is list for kind in set(map(type, values.flat))):
        raise Refusal(f"{where} must be lists nested {rank} deep, of the same length at each level.")
    return typed(values, spec, where, string)


def typed(values: Array, spec: TensorSpec, where: str, string: Callable[[object, str], bytes]) -> Array:
    """Gives an array of Python's objects the type of an input.

    Raises:
        Refusal: There are others among them, or a number that the type can't hold.
    """
    dtype = DTYPES[spec.dtype]
    if spec.dtype == STRING:
        strings = np.empty(values.size, object)
        strings[:] = [string(item, where) for item in values.flat]
        return strings.reshape(values.shape)
    kinds = set(map(type, values.flat))
    if not kinds <= ({int, float} if dtype.kind == "f" else {int}):
        raise Refusal(f"{where} must hold {'numbers' if dtype.kind == 'f' else 'whole numbers'} alone.")
    if dtype.kind in "iu" and values.size:
        limits = np.iinfo(dtype)
        if not limits.min <= min(values.flat) <= max(values.flat) <= limits.max:
            raise Refusal(f"{where} must hold numbers from {limits.min} to {limits.max}.")
    try:
        return values.astype(dtype)
    except OverflowError as error:
        raise Refusal(f"{where} holds a number that is too large.") from error


def check_inputs(inputs: Arrays, signature: Signature) -> None:
    """Checks that arrays can be run as a signature's inputs.

    Raises:
        Refusal: They are others than it has, or of a shape that it doesn't take.
    """
    if set(inputs) != set(signature.inputs):
        raise Refusal(f"The inputs must be {', '.join(signature.inputs)}, and not {', '.join(inputs) or 'none'}.")
    for name, array in inputs.items():
        check_shape(array.shape, signature.inputs[name], f"Input {name}")
    if len({len(array) for array in inputs.values()}) != 1:
        raise Refusal(f"The inputs {', '.join(inputs)} must be about the same number of images.")


def check_shape(shape: tuple[int, ...], spec: TensorSpec, where: str) -> None:
    """Checks the shape of an input.

    Raises:
        Refusal: The model doesn't take it, there is nothing in it, or too many images.
    """
    if not spec.takes(shape) or 0 in shape:
        raise Refusal(
            f"{where} must be of shape {shape_text(spec.shape)}, with no side of 0, and not {shape_text(shape)}."
        )
    if shape[0] > MAX_ROWS:
        raise Refusal(f"A request may be about {MAX_ROWS} images, and not {shape[0]}.")


def shape_text(shape: tuple[int | None, ...]) -> str:
    """Returns a shape as servers write it: -1 is any size."""
    return str([-1 if size is None else size for size in shape])
