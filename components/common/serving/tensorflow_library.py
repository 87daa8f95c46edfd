"""TensorFlow's C library, which lies in its Python package: those functions that serving needs, with their types.

The functions: tensorflow/c/{c_api,tf_tensor,tf_tstring,tf_status,tf_buffer}.h. A call releases the GIL.
"""

import contextlib
import ctypes
import re
from collections.abc import Iterator
from ctypes import POINTER, Structure, c_char_p, c_int, c_int64, c_size_t, c_void_p
from importlib.util import find_spec
from pathlib import Path

from graft.components.common.errors import GraftError
from graft.components.common.extras import how_to_install

_LIBRARY = "libtensorflow_cc.so.2"
# Nodes of the graph, which a message names before and, line by line, after what went wrong.
_NODES = re.compile(r"\{\{.*?\}\} ?|\n\t \[\[.*", re.DOTALL)
_FUNCTIONS: dict[str, tuple[object, tuple[object, ...]]] = {
    "Version": (c_char_p, ()),
    "NewStatus": (c_void_p, ()),
    "DeleteStatus": (None, (c_void_p,)),
    "GetCode": (c_int, (c_void_p,)),
    "Message": (c_char_p, (c_void_p,)),
    "NewGraph": (c_void_p, ()),
    "DeleteGraph": (None, (c_void_p,)),
    "GraphOperationByName": (c_void_p, (c_void_p, c_char_p)),
    "NewSessionOptions": (c_void_p, ()),
    "SetConfig": (None, (c_void_p, c_char_p, c_size_t, c_void_p)),
    "DeleteSessionOptions": (None, (c_void_p,)),
    "NewBuffer": (c_void_p, ()),
    "DeleteBuffer": (None, (c_void_p,)),
    "LoadSessionFromSavedModel": (c_void_p, (c_void_p, c_void_p, c_char_p, c_void_p, c_int, c_void_p, c_void_p, c_void_p)),
    "CloseSession": (None, (c_void_p, c_void_p)),
    "DeleteSession": (None, (c_void_p, c_void_p)),
    "SessionRun": (
        None,
        (c_void_p, c_void_p, *(c_void_p, c_void_p, c_int) * 2, c_void_p, c_int, c_void_p, c_void_p),
    ),
    "AllocateTensor": (c_void_p, (c_int, POINTER(c_int64), c_int, c_size_t)),
    "DeleteTensor": (None, (c_void_p,)),
    "TensorType": (c_int, (c_void_p,)),
    "TensorData": (c_void_p, (c_void_p,)),
    "TensorByteSize": (c_size_t, (c_void_p,)),
    "NumDims": (c_int, (c_void_p,)),
    "Dim": (c_int64, (c_void_p, c_int)),
    "StringInit": (None, (c_void_p,)),
    "StringCopy": (None, (c_void_p, c_char_p, c_size_t)),
    "StringDealloc": (None, (c_void_p,)),
    "StringGetDataPointer": (c_void_p, (c_void_p,)),
    "StringGetSize": (c_size_t, (c_void_p,)),
}  # fmt: skip


class Output(Structure):
    """An output of an operation: `TF_Output` of c_api.h."""

    _fields_ = (("operation", c_void_p), ("index", c_int))


class Buffer(Structure):
    """Bytes that TensorFlow wrote: `TF_Buffer` of tf_buffer.h."""

    _fields_ = (("data", c_void_p), ("length", c_size_t), ("deallocator", c_void_p))


class TensorFlowError(GraftError):
    """What TensorFlow says went wrong.

    Attributes:
        code: Its kind, a code of https://abseil.io/docs/cpp/guides/status-codes: 3 is an invalid argument.
    """

    def __init__(self, message: str, code: int) -> None:
        super().__init__(_NODES.sub("", message))
        self.code = code


def find_library() -> Path:
    """Returns the path of the C library of the installed TensorFlow, whose Python package is not imported.

    Raises:
        GraftError: There is none.
    """
    spec = find_spec("tensorflow")
    if not spec or not spec.origin:
        raise GraftError(
            f"TensorFlow isn't installed here, and its C library runs the model: {how_to_install('tensorflow')}."
        )
    path = Path(spec.origin).with_name(_LIBRARY)
    if not path.is_file():
        raise GraftError(
            f"{path} doesn't exist, and it runs the model: install TensorFlow for Linux, or serve from Graft's image."
        )
    return path


class TensorFlowLibrary:
    """The library, loaded.

    Args:
        path: `libtensorflow_cc.so.2` of a TensorFlow package, of 2.12 or later.

    Raises:
        GraftError: It can't be loaded.
    """

    def __init__(self, path: Path) -> None:
        try:
            library = ctypes.CDLL(str(path))
            for name, (result, arguments) in _FUNCTIONS.items():
                function = getattr(library, f"TF_{name}")
                function.restype, function.argtypes = result, arguments
        except (OSError, AttributeError) as error:
            raise GraftError(
                f"{path} can't be loaded as TensorFlow's C library ({error}): install TensorFlow again."
            ) from error
        self._library = library

    def __getattr__(self, name: str) -> "ctypes._NamedFuncPointer":
        function: ctypes._NamedFuncPointer = getattr(self._library, f"TF_{name}")
        return function

    @contextlib.contextmanager
    def status(self) -> Iterator[c_void_p]:
        """A status for one call, which is checked when the context is left.

        Raises:
            TensorFlowError: The call failed.
        """
        status = c_void_p(self.NewStatus())
        try:
            yield status
            if code := self.GetCode(status):
                raise TensorFlowError(self.Message(status).decode(errors="replace"), code)
        finally:
            self.DeleteStatus(status)
