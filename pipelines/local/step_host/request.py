"""What a stand-in asks the step host for."""

import dataclasses
import os
import runpy
import socket
import sys
import tempfile

import numpy


@dataclasses.dataclass(frozen=True)
class Request:
    """A step to run.

    Attributes:
        arguments: Python's command line, from `-m` on.
        environment: The environment variables.
        files: File descriptors of the folder to run in and of the three standard streams.
    """

    arguments: list[str]
    environment: dict[str, str]
    files: list[int]

    @classmethod
    def receive(cls, connection: socket.socket) -> "Request":
        """Reads a request.

        Raises:
            OSError: The stand-in is gone.
        """
        head, files, *_ = socket.recv_fds(connection, 8, 4)
        length = int.from_bytes(head)
        content = connection.recv(length, socket.MSG_WAITALL)
        if not length or len(content) < length:
            raise ConnectionResetError("the stand-in is gone")
        count, *texts = map(os.fsdecode, content.split(b"\0"))
        variables = (text.partition("=") for text in texts[int(count) :])
        return cls(texts[: int(count)], {name: value for name, _, value in variables}, files)

    def close(self) -> None:
        """Closes the files."""
        for file in self.files:
            os.close(file)

    def run(self) -> None:
        """Runs the step in this process, as Python would run a process of its own."""
        folder, *streams = self.files
        os.fchdir(folder)
        for number, file in enumerate(streams):
            os.dup2(file, number)
        self.close()
        # Nothing is taken away: the host was started with fewer variables, and what TensorFlow's import sets stays.
        os.environ.update(self.environment)
        tempfile.tempdir = None  # the host has looked it up in its own environment
        numpy.random.seed()  # else all steps would draw the same; Python sees to its own generator
        _, module, *arguments = self.arguments
        sys.argv = ["-m", *arguments]
        runpy.run_module(module, run_name="__main__", alter_sys=True)
