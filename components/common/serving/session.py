"""A SavedModel loaded as TensorFlow Serving, Java and Go load it: as a session, without TensorFlow's Python package.

That package would take seconds and some 500 MiB to import, and its own way of loading restores what a session doesn't.
"""

import contextlib
import ctypes
import math
from collections.abc import Iterator, Mapping
from ctypes import POINTER, c_char_p, c_int64, c_void_p
from pathlib import Path
from typing import Any, Self

import numpy as np

from graft.components.common import storage
from graft.components.common.errors import GraftError
from graft.components.common.protobuf import message_class
from graft.components.common.serving.signatures import DTYPES, STRING, TensorSpec, parse_signatures
from graft.components.common.serving.tensorflow_library import (
    Buffer,
    Output,
    TensorFlowError,
    TensorFlowLibrary,
    find_library,
)

Array = np.ndarray[Any, Any]

_TAG = b"serve"
_STRING_BYTES = 24  # a TF_TString, tensorflow/core/platform/ctstring_internal.h
# The fields that are set: tensorflow/core/protobuf/{config,rewriter_config}.proto.
_ConfigProto = message_class(
    "ConfigProto",
    {
        "RewriterConfig": {
            "layout_optimizer": (1, "int32"),
            "memory_optimization": (4, "int32"),
            "loop_optimization": (9, "int32"),
            "meta_optimizer_iterations": (12, "int32"),
            "implementation_selector": (22, "int32"),
            "disable_tfg_optimizer": (32, "bool"),
        },
        "GraphOptions": {"rewrite_options": (10, "RewriterConfig")},
        "ConfigProto": {"graph_options": (10, "GraphOptions")},
    },
)
# TensorFlow optimises a graph twice by default, and by passes that find nothing to do in Graft's on a CPU. The second time takes one CPU
# second more. Without these passes a model is ready after 3.3 CPU seconds instead of 4.7, and gives the same bits.
_ONCE, _NO_MEMORY_PASS, _OFF = 1, 1, 2


class SavedModelSession:
    """A SavedModel that runs. Several threads may run it at once.

    >>> with SavedModelSession(exported / "serving/model/1") as session:
    ...     outputs = session.run("serve_pixels", {"image": np.zeros((1, 8, 8, 3), np.uint8)})
    >>> outputs["probabilities"].shape
    (1, 2)

    Attributes:
        signatures: What can be asked of it, by name.
        version: TensorFlow's, such as `2.21.0`.

    Args:
        folder: The SavedModel's directory, with `saved_model.pb`.
        library: TensorFlow's C library; that of the installed TensorFlow if None.

    Raises:
        GraftError: There is no library, or no model in the folder that can be served.
        TensorFlowError: TensorFlow can't load the model.
    """

    def __init__(self, folder: Path, library: Path | None = None) -> None:
        self._tf = tf = TensorFlowLibrary(library or find_library())
        self.version: str = tf.Version().decode()
        with contextlib.ExitStack() as undo:
            self._graph = c_void_p(tf.NewGraph())
            undo.callback(tf.DeleteGraph, self._graph)
            self._session, meta_graph = self._load(folder)
            undo.callback(self._end_session)
            self.signatures = parse_signatures(meta_graph, str(folder))
            self._outputs = {
                spec.tensor: self._output(spec.tensor)
                for signature in self.signatures.values()
                for spec in (*signature.inputs.values(), *signature.outputs.values())
            }
            self._undo = undo.pop_all()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Frees the session. It must not be running."""
        self._undo.close()

    def run(self, signature: str, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """Runs a signature.

        Args:
            signature: Its name.
            inputs: An array for every input, by name: of its type, strings as objects, which are bytes, and of a shape that it takes.

        Returns:
            An array for every output, by name.

        Raises:
            ValueError: The signature or an input is none that the model has.
            TensorFlowError: TensorFlow can't do it.
        """
        tf = self._tf
        known = self.signatures.get(signature)
        if known is None or set(known.inputs) != set(inputs):
            raise ValueError(f"no signature {signature} with the inputs {', '.join(inputs)}")
        feeds = (Output * len(inputs))(*(self._outputs[known.inputs[name].tensor] for name in inputs))
        fetches = (Output * len(known.outputs))(*(self._outputs[spec.tensor] for spec in known.outputs.values()))
        with contextlib.ExitStack() as tensors:
            given = [
                tensors.enter_context(self._tensor(name, known.inputs[name], array)) for name, array in inputs.items()
            ]
            values, results = (c_void_p * len(given))(*given), (c_void_p * len(fetches))()
            with tf.status() as status:
                # fmt: off
                tf.SessionRun(
                    self._session, None, feeds, values, len(feeds), fetches, results, len(fetches), None, 0, None, status
                )
                # fmt: on
            for result in results:
                tensors.callback(tf.DeleteTensor, result)
            return {name: self._array(result) for name, result in zip(known.outputs, results, strict=True)}

    def _load(self, folder: Path) -> tuple[c_void_p, bytes]:
        """Returns the session, and the serialised MetaGraphDef that it runs."""
        tf = self._tf
        with storage.scratch_folder("session") as scratch, contextlib.ExitStack() as undo:
            # TensorFlow takes a SavedModel's path for a pattern, and names of folders may hold [, ], *, ? and \.
            link = scratch / "model"
            link.symlink_to(folder.absolute())
            options = c_void_p(tf.NewSessionOptions())
            undo.callback(tf.DeleteSessionOptions, options)
            config = _ConfigProto()
            rewriting = config.graph_options.rewrite_options
            rewriting.meta_optimizer_iterations, rewriting.memory_optimization = _ONCE, _NO_MEMORY_PASS
            rewriting.layout_optimizer = rewriting.loop_optimization = rewriting.implementation_selector = _OFF
            rewriting.disable_tfg_optimizer = True
            told = config.SerializeToString()
            with tf.status() as status:
                tf.SetConfig(options, told, len(told), status)
            buffer = c_void_p(tf.NewBuffer())
            undo.callback(tf.DeleteBuffer, buffer)
            tags = (c_char_p * 1)(_TAG)
            try:
                with tf.status() as status:
                    session = c_void_p(
                        tf.LoadSessionFromSavedModel(
                            options, None, str(link).encode(), tags, 1, self._graph, buffer, status
                        )
                    )
            except TensorFlowError as error:
                reason = str(error).replace(str(link), str(folder)).rstrip(".")
                raise TensorFlowError(
                    f"{folder} can't be loaded ({reason}): export the model again.", error.code
                ) from error
            written = ctypes.cast(buffer, POINTER(Buffer)).contents
            return session, ctypes.string_at(written.data, written.length)

    def _end_session(self) -> None:
        with self._tf.status() as status:
            self._tf.CloseSession(self._session, status)
        with self._tf.status() as status:
            self._tf.DeleteSession(self._session, status)

    def _output(self, tensor: str) -> Output:
        """Returns the place of a tensor in the graph."""
        name, _, index = tensor.partition(":")
        operation = self._tf.GraphOperationByName(self._graph, name.encode())
        if not operation or not index.isdecimal():
            raise GraftError(f"A signature names {tensor}, which is not in the graph: export the model again.")
        return Output(operation, int(index))

    @contextlib.contextmanager
    def _tensor(self, name: str, spec: TensorSpec, array: Array) -> Iterator[c_void_p]:
        """A tensor of TensorFlow's with the values of an array, for one run."""
        if array.dtype != DTYPES[spec.dtype] or not spec.takes(array.shape):
            raise ValueError(f"{name} can't be {array.dtype} {array.shape}")
        tf = self._tf
        strings = list(array.flat) if spec.dtype == STRING else []
        if not all(isinstance(string, bytes) for string in strings):
            raise ValueError(f"the strings of {name} must be bytes")
        size = _STRING_BYTES * len(strings) if spec.dtype == STRING else array.nbytes
        dims = (c_int64 * array.ndim)(*array.shape)
        tensor = c_void_p(tf.AllocateTensor(spec.dtype, dims, array.ndim, size))
        if not tensor:
            raise MemoryError(f"no {size} bytes for {name}")
        data = tf.TensorData(tensor)
        places = [data + number * _STRING_BYTES for number in range(len(strings))]
        try:
            for place, string in zip(places, strings, strict=True):
                tf.StringInit(place)
                tf.StringCopy(place, string, len(string))
            if spec.dtype != STRING and size:
                contiguous = np.ascontiguousarray(array)
                ctypes.memmove(data, contiguous.ctypes.data, size)
            yield tensor
        finally:
            for place in places:
                tf.StringDealloc(place)
            tf.DeleteTensor(tensor)

    def _array(self, tensor: int) -> Array:
        """Returns a copy of a tensor's values."""
        tf = self._tf
        shape = tuple(tf.Dim(tensor, axis) for axis in range(tf.NumDims(tensor)))
        dtype, data = tf.TensorType(tensor), tf.TensorData(tensor)
        if dtype != STRING:
            content = ctypes.string_at(data, tf.TensorByteSize(tensor))
            return np.frombuffer(content, DTYPES[dtype]).reshape(shape).copy()
        places = (data + number * _STRING_BYTES for number in range(math.prod(shape)))
        strings = np.empty(math.prod(shape), object)
        strings[:] = [ctypes.string_at(tf.StringGetDataPointer(place), tf.StringGetSize(place)) for place in places]
        return strings.reshape(shape)
