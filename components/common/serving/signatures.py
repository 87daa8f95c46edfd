"""The signatures of a SavedModel: what can be asked of it, by the names of inputs and outputs."""

import dataclasses
from typing import Any

import numpy as np
from google.protobuf.message import DecodeError

from graft.components.common.errors import GraftError
from graft.components.common.protobuf import message_class

FLOAT, UINT8, STRING, INT64, BOOL = 1, 4, 7, 9, 10
"""Types of tensors that Graft's models have: `DataType` of tensorflow/core/framework/types.proto."""
DTYPES: dict[int, np.dtype[Any]] = {
    FLOAT: np.dtype(np.float32),
    UINT8: np.dtype(np.uint8),
    STRING: np.dtype(object),
    INT64: np.dtype(np.int64),
    BOOL: np.dtype(np.bool_),
}
"""Their numpy types: a string is a Python object, bytes."""
TENSORFLOW_NAMES = {FLOAT: "DT_FLOAT", UINT8: "DT_UINT8", STRING: "DT_STRING", INT64: "DT_INT64", BOOL: "DT_BOOL"}
INFERENCE_NAMES = {FLOAT: "FP32", UINT8: "UINT8", STRING: "BYTES", INT64: "INT64", BOOL: "BOOL"}
"""What the Open Inference Protocol calls them."""
DEFAULT_SIGNATURE = "serving_default"

# TensorFlow lists the operation that initialises a model among its signatures.
_INITIALISING = "__saved_model_init_op"


@dataclasses.dataclass(frozen=True)
class TensorSpec:
    """An input or output of a signature.

    Attributes:
        tensor: The name of the tensor in the graph, such as `serving_default_image_bytes:0`.
        dtype: Its type, one of `DTYPES`.
        shape: Its shape; None for a dimension of any size.
    """

    tensor: str
    dtype: int
    shape: tuple[int | None, ...]

    def takes(self, shape: tuple[int, ...]) -> bool:
        """Tells whether a tensor of that shape can be given for it."""
        return len(shape) == len(self.shape) and all(
            size in (None, given) for size, given in zip(self.shape, shape, strict=True)
        )


@dataclasses.dataclass(frozen=True)
class Signature:
    """What can be asked of a SavedModel.

    Attributes:
        inputs: By name.
        outputs: By name.
        method: What TensorFlow calls it: `tensorflow/serving/predict`.
    """

    inputs: dict[str, TensorSpec]
    outputs: dict[str, TensorSpec]
    method: str


# The fields of `MetaGraphDef` that tell the signatures: tensorflow/core/protobuf/meta_graph.proto, framework/tensor_shape.proto.
_MetaGraphDef = message_class(
    "MetaGraphDef",
    {
        "Dim": {"size": (1, "int64")},
        "Shape": {"dim": (2, "*Dim"), "unknown_rank": (3, "bool")},
        "TensorInfo": {"name": (1, "string"), "dtype": (2, "int32"), "tensor_shape": (3, "Shape")},
        "SignatureDef": {
            "inputs": (1, "map TensorInfo"),
            "outputs": (2, "map TensorInfo"),
            "method_name": (3, "string"),
        },
        "MetaGraphDef": {"signature_def": (5, "map SignatureDef")},
    },
)


def parse_signatures(meta_graph: bytes, where: str) -> dict[str, Signature]:
    """Reads the signatures of a model.

    Args:
        meta_graph: A serialised `MetaGraphDef`, as TensorFlow gives it for the model that it has loaded.
        where: What it belongs to, for messages.

    Raises:
        GraftError: There are none, or one has a tensor of a type or shape that Graft's models don't have.
    """
    try:
        definitions = dict(_MetaGraphDef.FromString(meta_graph).signature_def)
    except DecodeError as error:
        raise GraftError(f"The signatures of {where} can't be read ({error}): export the model again.") from error
    definitions.pop(_INITIALISING, None)
    if not definitions:
        raise GraftError(f"{where} has no signatures, so nothing can be asked of it: export the model again.")
    return {
        name: Signature(
            {
                key: _spec(info, f"{where}, signature {name}, input {key}")
                for key, info in sorted(definition.inputs.items())
            },
            {
                key: _spec(info, f"{where}, signature {name}, output {key}")
                for key, info in sorted(definition.outputs.items())
            },
            definition.method_name,
        )
        for name, definition in sorted(definitions.items())
    }


def _spec(info: Any, where: str) -> TensorSpec:
    if info.dtype not in DTYPES or info.tensor_shape.unknown_rank:
        raise GraftError(
            f"{where}: a tensor of type {info.dtype} or unknown rank can't be served: export the model again."
        )
    return TensorSpec(
        info.name, info.dtype, tuple(dim.size if dim.size >= 0 else None for dim in info.tensor_shape.dim)
    )
