"""Concurrent requests run together: a batch forms while the one before runs, so that a single request never waits for others."""

import dataclasses
import threading
from collections import deque
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from http import HTTPStatus
from typing import Any

import numpy as np

from graft.components.common.serving.refusals import Refusal
from graft.components.common.serving.session import SavedModelSession
from graft.components.common.serving.signatures import STRING
from graft.components.common.serving.tensorflow_library import TensorFlowError

MAX_BATCH = 8
"""Images that run together. On two cores 32 together were slower than 8 and 8, and each waits longer."""
MAX_WAITING = 512
"""Images that may wait for their turn."""
_SECONDS_TO_END = 3.0

Arrays = Mapping[str, np.ndarray[Any, Any]]


@dataclasses.dataclass(frozen=True)
class _Job:
    """What runs for one request."""

    signature: str
    inputs: Arrays
    rows: int
    outcome: "Future[Arrays]"


class Batcher:
    """Runs requests in a thread of its own, one batch after the other.

    Args:
        session: The model. It belongs to the batcher until that is closed.
    """

    def __init__(self, session: SavedModelSession) -> None:
        self._session = session
        # Images are encoded, each of a size of its own; arrays of pixels would have to be of the same size.
        self._joined = {
            name
            for name, signature in session.signatures.items()
            if all((spec.dtype, spec.shape) == (STRING, (None,)) for spec in signature.inputs.values())
            and all(spec.shape[:1] == (None,) for spec in signature.outputs.values())
        }
        self._waiting: deque[_Job] = deque()
        self._closed = False
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._work, name="batches", daemon=True)
        self._thread.start()

    def submit(self, signature: str, inputs: Arrays) -> "Future[Arrays]":
        """Has a signature run; one that is cancelled before its turn is not run.

        Args:
            signature: Its name.
            inputs: Arrays by name, as the session takes them, of at least one and at most `MAX_BATCH` rows.

        Raises:
            Refusal: Too many wait already.
        """
        rows = len(next(iter(inputs.values())))
        job = _Job(signature, inputs, rows, Future())
        with self._changed:
            if rows + sum(waiting.rows for waiting in self._waiting if not waiting.outcome.cancelled()) > MAX_WAITING:
                raise Refusal(
                    f"{MAX_WAITING} images wait for their turn already: try again later.",
                    HTTPStatus.SERVICE_UNAVAILABLE,
                )
            self._waiting.append(job)
            self._changed.notify()
        return job.outcome

    def close(self) -> bool:
        """Ends the thread once the batch that runs has ended; what waits is cancelled.

        Returns:
            Whether it ended in time: if not, the session still runs and can't be closed.
        """
        with self._changed:
            self._closed = True
            for job in self._waiting:
                job.outcome.cancel()
            self._waiting.clear()
            self._changed.notify()
        self._thread.join(_SECONDS_TO_END)
        return not self._thread.is_alive()

    def _work(self) -> None:
        while jobs := self._take():
            self._run([job for job in jobs if job.outcome.set_running_or_notify_cancel()])

    def _take(self) -> list[_Job]:
        """Waits for jobs, and returns the oldest and those that run together with it; none when the batcher is closed."""
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._closed)
            if self._closed:
                return []
            first = self._waiting.popleft()
            taken, rows = [first], first.rows
            left: deque[_Job] = deque()
            for job in self._waiting:
                fits = rows + job.rows <= MAX_BATCH and job.signature == first.signature
                if fits and job.signature in self._joined:
                    taken.append(job)
                    rows += job.rows
                else:
                    left.append(job)
            self._waiting = left
            return taken

    def _run(self, jobs: Sequence[_Job]) -> None:
        """Runs jobs together, and each alone if that fails: a bad image fails its own request and no other."""
        if not jobs:
            return
        try:
            joined = {name: np.concatenate([job.inputs[name] for job in jobs]) for name in jobs[0].inputs}
            outputs = self._session.run(jobs[0].signature, joined)
        except TensorFlowError as error:
            if len(jobs) == 1:
                jobs[0].outcome.set_exception(error)
                return
            for job in jobs:
                self._run([job])
        except Exception as error:  # of whatever kind it is, those who wait get it, and the next batch runs
            for job in jobs:
                job.outcome.set_exception(error)
        else:
            start = 0
            for job in jobs:
                job.outcome.set_result({name: array[start : start + job.rows] for name, array in outputs.items()})
                start += job.rows
