"""The signatures of a SavedModel: what can be asked of it, by the names of inputs and outputs."""

import dataclasses
from typing import Any

import numpy as np
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.message import DecodeError

from graft.components.common.errors import GraftError

FLOAT, UINT8, STRING, INT64 = 1, 4, 7, 9
"""Types of tensors that Graft's models have: `DataType` of tensorflow/core/framework/types.proto."""
DTYPES: dict[int, np.dtype[Any]] = {
    FLOAT: np.dtype(np.float32),
    UINT8: np.dtype(np.uint8),
    STRING: np.dtype(object),
    INT64: np.dtype(np.int64),
}
"""Their numpy types: a string is a Python object, bytes."""
TENSORFLOW_NAMES = {FLOAT: "DT_FLOAT", UINT8: "DT_UINT8", STRING: "DT_STRING", INT64: "DT_INT64"}
INFERENCE_NAMES = {FLOAT: "FP32", UINT8: "UINT8", STRING: "BYTES", INT64: "INT64"}
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


def _meta_graph_class() -> Any:
    """Builds a message class of those fields of `MetaGraphDef` that tell the signatures, in a pool of its own.

    TensorFlow's generated classes can't be imported without running the whole of its Python package, or pretending to have done so.
    The fields: tensorflow/core/protobuf/meta_graph.proto, tensorflow/core/framework/tensor_shape.proto.
    """
    file = descriptor_pb2.FileDescriptorProto(name="graft/meta_graph.proto", package="graft", syntax="proto3")
    kind = descriptor_pb2.FieldDescriptorProto

    def message(parent: Any, name: str, /, **fields: tuple[int, int] | tuple[int, str]) -> Any:
        """Adds a message, whose fields have a number and a type: a kind, or a message's name, which a star marks as repeated."""
        added = parent.add(name=name)
        for field, (number, of) in fields.items():
            described = added.field.add(name=field, number=number, label=kind.LABEL_OPTIONAL)
            if isinstance(of, int):
                described.type = of
            else:
                described.type, described.type_name = kind.TYPE_MESSAGE, f".graft.{of.lstrip('*')}"
                described.label = kind.LABEL_REPEATED if of.startswith("*") else kind.LABEL_OPTIONAL
        return added

    def entry(parent: Any, name: str, value: str) -> None:
        """Adds the message of a map's entries to the message that has the map."""
        message(parent.nested_type, name, key=(1, kind.TYPE_STRING), value=(2, value)).options.map_entry = True

    root = file.message_type
    message(root, "Dim", size=(1, kind.TYPE_INT64))
    message(root, "Shape", dim=(2, "*Dim"), unknown_rank=(3, kind.TYPE_BOOL))
    message(root, "TensorInfo", name=(1, kind.TYPE_STRING), dtype=(2, kind.TYPE_INT32), tensor_shape=(3, "Shape"))
    signature = message(
        root,
        "SignatureDef",
        inputs=(1, "*SignatureDef.InputsEntry"),
        outputs=(2, "*SignatureDef.OutputsEntry"),
        method_name=(3, kind.TYPE_STRING),
    )
    entry(signature, "InputsEntry", "TensorInfo")
    entry(signature, "OutputsEntry", "TensorInfo")
    meta_graph = message(root, "MetaGraphDef", signature_def=(5, "*MetaGraphDef.SignatureDefEntry"))
    entry(meta_graph, "SignatureDefEntry", "SignatureDef")
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("graft.MetaGraphDef"))


_MetaGraphDef = _meta_graph_class()


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
