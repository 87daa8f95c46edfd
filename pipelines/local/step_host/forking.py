"""Forking a child for each step that a stand-in asks for, and telling the stand-in how it ended."""

import contextlib
import gc
import os
import selectors
import signal
import socket
import sys
import warnings
from types import FrameType
from typing import Any

from graft.pipelines.local.step_host.request import Request


class Forks:
    """The children of this process, one a step. Its stdin is what whoever started it holds the other end of, as long as there are steps."""

    def __init__(self, listeners: list[socket.socket], handlers: dict[signal.Signals, Any]) -> None:
        """Takes the sockets at which stand-ins ask, and how a step starts to handle signals."""
        self._listeners, self._handlers = listeners, handlers
        self._connections: dict[socket.socket, int] = {}  # each with the process id of the step that it asked for
        self._ending = False
        self._woken, self._waker = socket.socketpair()
        self._waker.setblocking(False)
        self._selector = selectors.PollSelector()  # what epoll watches would be shared with the children
        for source in (sys.stdin, self._woken, *listeners):
            self._selector.register(source, selectors.EVENT_READ)

    def serve(self) -> Request | None:
        """Forks steps until nobody is left to ask for one and the last one has ended.

        Returns:
            In a child, the step to run; None in this process, at the end.
        """
        signal.signal(signal.SIGCHLD, _wake)
        signal.set_wakeup_fd(self._waker.fileno())
        gc.collect()
        gc.freeze()  # else a child's first collection would copy every page that it shares with this process
        while self._connections or not self._ending:
            for key, _ in self._selector.select():
                source = key.fileobj
                if source in self._listeners:
                    if request := self._fork(source.accept()[0]):
                        return request
                elif source is self._woken:
                    self._woken.recv(64)
                    self._reap()
                elif source is sys.stdin:
                    self._end()
                elif source in self._connections:
                    self._forward(source)
        return None

    def _fork(self, connection: socket.socket) -> Request | None:
        """Forks a child for what a stand-in asks for; returns the request in the child."""
        try:
            request = Request.receive(connection)
        except OSError:  # of a stand-in that was killed
            connection.close()
            return None
        with warnings.catch_warnings():
            # Python 3.12 and later warn of other threads. There are those of OpenBLAS and jemalloc, which see to forks.
            warnings.simplefilter("ignore", DeprecationWarning)
            child = os.fork()
        if child:
            request.close()
            self._connections[connection] = child
            self._selector.register(connection, selectors.EVENT_READ)
            return None
        signal.set_wakeup_fd(-1)
        for number, handler in self._handlers.items():
            signal.signal(number, handler)
        # A stand-in learns from the end of its connection that the host is gone: no step may hold it open.
        with connection, contextlib.suppress(OSError):
            connection.sendall(os.getpid().to_bytes(8))
        for source in (*self._connections, *self._listeners, self._woken, self._waker):
            source.close()
        return request

    def _reap(self) -> None:
        """Tells stand-ins of the steps that have ended how they did."""
        for connection, child in list(self._connections.items()):
            ended, status = os.waitpid(child, os.WNOHANG)
            if ended:
                del self._connections[connection]
                with connection, contextlib.suppress(KeyError, OSError):  # of a stand-in that was killed
                    self._selector.unregister(connection)
                    connection.sendall(status.to_bytes(8))

    def _forward(self, connection: socket.socket) -> None:
        """Passes a stand-in's signals on to its step: SIGKILL if it was itself killed."""
        try:
            received = connection.recv(64)
        except ConnectionResetError:
            received = b""
        for number in received or [signal.SIGKILL]:
            os.kill(self._connections[connection], number)
        if not received:
            self._selector.unregister(connection)

    def _end(self) -> None:
        """Has the steps end that nobody waits for any more."""
        self._selector.unregister(sys.stdin)
        self._ending = True
        for child in self._connections.values():
            os.kill(child, signal.SIGTERM)


def _wake(number: int, frame: FrameType | None) -> None:
    """Does nothing: a signal that has a handler wakes the selector."""
