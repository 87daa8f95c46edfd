"""Runs a SavedModel as TensorFlow Serving, Java and Go do: loaded as a session, by TensorFlow's C library, without TensorFlow's Python.

    python session_loader.py LIBRARY SAVED_MODEL INPUT OUTPUT < images

INPUT and OUTPUT are names of tensors: string [N] of encoded images, float32 [N, classes]. Standard input is a pickled list of images,
standard output the pickled probabilities.
"""

import ctypes
import pickle
import sys
from ctypes import POINTER, Structure, c_char_p, c_int, c_int64, c_size_t, c_void_p, cast

FLOAT, STRING, TSTRING_BYTES = 1, 7, 24


class Output(Structure):
    """An output of an operation: `TF_Output` of c_api.h."""

    _fields_ = (("oper", c_void_p), ("index", c_int))


class Library:
    """Those functions of the C library that are needed, with their types."""

    def __init__(self, path):
        self.tf = ctypes.CDLL(path)
        pointers = "NewStatus NewGraph NewSessionOptions GraphOperationByName LoadSessionFromSavedModel AllocateTensor TensorData"
        for name in pointers.split():
            getattr(self.tf, f"TF_{name}").restype = c_void_p
        self.tf.TF_Message.restype = c_char_p
        self.tf.TF_Dim.restype = c_int64
        self.status = c_void_p(self.tf.TF_NewStatus())

    def check(self):
        if self.tf.TF_GetCode(self.status):
            sys.exit(self.tf.TF_Message(self.status).decode())

    def load(self, folder):
        """Loads a SavedModel of the tag `serve`, and returns its session and graph."""
        graph, options = c_void_p(self.tf.TF_NewGraph()), c_void_p(self.tf.TF_NewSessionOptions())
        tags = (c_char_p * 1)(b"serve")
        session = self.tf.TF_LoadSessionFromSavedModel(
            options, None, c_char_p(folder.encode()), tags, 1, graph, None, self.status
        )
        self.check()
        return c_void_p(session), graph

    def tensor(self, contents):
        """Returns a tensor of strings."""
        dims = (c_int64 * 1)(len(contents))
        size = TSTRING_BYTES * len(contents)
        tensor = c_void_p(self.tf.TF_AllocateTensor(STRING, dims, 1, c_size_t(size)))
        data = self.tf.TF_TensorData(tensor)
        for number, content in enumerate(contents):
            place = c_void_p(data + TSTRING_BYTES * number)
            self.tf.TF_StringInit(place)
            self.tf.TF_StringCopy(place, c_char_p(content), c_size_t(len(content)))
        return tensor

    def output(self, graph, name):
        operation, _, index = name.partition(":")
        return Output(self.tf.TF_GraphOperationByName(graph, c_char_p(operation.encode())), int(index))

    def run(self, session, graph, given, contents, wanted):
        """Returns float32 [N, M] of a session as lists."""
        feeds, fetches = (Output * 1)(self.output(graph, given)), (Output * 1)(self.output(graph, wanted))
        inputs, outputs = (c_void_p * 1)(self.tensor(contents)), (c_void_p * 1)()
        self.tf.TF_SessionRun(
            session, None, feeds, inputs, 1, fetches, outputs, 1, None, 0, None, self.status
        )  # fmt: skip
        self.check()
        tensor = c_void_p(outputs[0])
        rows, columns = self.tf.TF_Dim(tensor, 0), self.tf.TF_Dim(tensor, 1)
        values = cast(self.tf.TF_TensorData(tensor), POINTER(ctypes.c_float))
        return [[values[row * columns + column] for column in range(columns)] for row in range(rows)]


def main():
    path, folder, given, wanted = sys.argv[1:]
    library = Library(path)
    session, graph = library.load(folder)
    found = library.run(session, graph, given, pickle.load(sys.stdin.buffer), wanted)
    sys.stdout.buffer.write(pickle.dumps(found))


if __name__ == "__main__":
    main()
