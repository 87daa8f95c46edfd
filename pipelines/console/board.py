"""How far a run is: the state of every step, what it is doing and how fast."""

import collections
import dataclasses
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from enum import StrEnum

from graft.components.common import storage
from graft.components.common.artifacts.outcomes.results import Result
from graft.components.common.artifacts.outcomes.run_record import StepRecord
from graft.components.common.escaping import escaped
from graft.components.common.progress_lines import Began, Doing, Ended, Told
from graft.components.common.runs.parts_progress import PartsProgress
from graft.components.common.runs.verdict import Verdict
from graft.components.common.steps import STEPS, Step

_WINDOW = 15.0  # seconds over which the speed is taken
_SHORTEST = 1.0
_NOTHING = Doing("")
_WARNINGS = 3


class State(StrEnum):
    """The state of a step."""

    WAITING = "waiting"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"
    SKIPPED = "skipped"

    @property
    def final(self) -> bool:
        """Whether it can't change any more."""
        return self not in (State.WAITING, State.RUNNING)


_ENDED = {"succeeded": State.DONE, "failed": State.FAILED, "cancelled": State.CANCELLED}


@dataclasses.dataclass
class Row:
    """A step, as people see it.

    Attributes:
        state: Its state.
        seconds: Seconds that it has been running, or took; None as long as it waits.
        doing: What it is doing.
        speed: Units a second; 0 as long as that is unknown.
        summary: What came out, or why it failed.
    """

    state: State = State.WAITING
    seconds: float | None = None
    doing: Doing = _NOTHING
    speed: float = 0.0
    summary: str = ""

    @property
    def seconds_left(self) -> float | None:
        """Seconds until what it is doing is done; None where that is unknown."""
        return (self.doing.total - self.doing.done) / self.speed if self.speed and self.doing.total else None


class Board:
    """The rows of a run's steps, kept by one thread and read by others.

    Args:
        clock: Tells seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock, self._lock = clock, threading.RLock()
        self._rows: dict[Step, Row] = {step: Row() for step in STEPS}
        self._began: dict[str, float] = {}
        self._in_parts: set[str] = set()
        self._warned: dict[str, list[str]] = {}
        self._unsaid: collections.deque[str] = collections.deque()
        self._samples: collections.deque[tuple[float, int]] = collections.deque(maxlen=100)
        self._started = clock()

    def add(self, steps: Iterable[Step]) -> None:
        """Adds rows for steps that this run has, and has not got one yet."""
        with self._lock:
            for step in steps:
                self._rows.setdefault(step, Row())

    def start(self, step: str) -> None:
        """Notes that a step is being started, of which nothing is heard yet."""
        with self._lock:
            if step in STEPS and self._rows[step].state is State.WAITING:
                self._rows[step] = Row(State.RUNNING, doing=Doing("starting"))

    def take(self, told: Told) -> None:
        """Takes what a step tells. Steps that are none of the pipeline's, such as notify, have no row."""
        match told:
            case Began(step) if step in STEPS:
                self.put(step, State.RUNNING)
            case Ended(step, status, seconds, summary) if step in STEPS and status in _ENDED:
                # The step's own seconds leave out those of its parts.
                self.put(step, _ENDED[status], summary, None if step in self._in_parts else seconds)
            case Doing():
                self._do(told)

    def warn(self, step: str, text: str) -> None:
        """Takes what a step warns of: its first few warnings, each once. A dataset of a thousand classes may have as many."""
        with self._lock:
            warned = self._warned.setdefault(step, [])
            if text not in warned and len(warned) <= _WARNINGS:
                warned.append(text)
                more = len(warned) > _WARNINGS
                self._unsaid.append(f"WARNING {step}: {'its log has more warnings' if more else _shown(text)}")

    def unsaid(self) -> list[str]:
        """Returns the warnings that it has not returned before, a line each."""
        with self._lock:
            lines = [*self._unsaid]
            self._unsaid.clear()
            return lines

    def count(self, parts: PartsProgress) -> None:
        """Takes from the store how far the parts of a step are. Once they have ended, the step itself tells."""
        with self._lock:
            row, self._in_parts = self._rows[parts.step], self._in_parts | {parts.step}
            if row.state is State.WAITING:
                self.put(parts.step, State.RUNNING)
            if row.state.final:
                return
            if not parts.over:
                self._do(Doing(parts.doing, parts.done, parts.work, "images"))
            elif row.doing.what == parts.doing:
                self._do(Doing(f"putting together what {parts.parts} parts did"))

    def put(self, step: Step, state: State, summary: str = "", seconds: float | None = None) -> None:
        """Sets a step's state, and once it has ended, what came out and the seconds that it took, by default those seen here."""
        with self._lock:
            now, row = self._clock(), self._rows[step]
            if state is State.RUNNING:
                self._began.setdefault(step, now)
                self._samples.clear()
            elif step in self._began and seconds is None:
                seconds = now - self._began[step]
            self._rows[step] = dataclasses.replace(
                row, state=state, doing=_NOTHING, speed=0.0, summary=_shown(summary) or row.summary, seconds=seconds
            )

    def conclude(self, records: Mapping[str, StepRecord[Result]], verdict: Verdict) -> None:
        """Takes from the records of a run that is over what its steps did not live to tell; what never began is skipped."""
        going = not verdict.outcome.good
        for step, row in self.rows().items():
            record = records.get(step)
            if record and not row.state.final:
                self.put(step, _ENDED[record.status], record.summary, record.seconds)
            elif not record:  # it was killed, or one before it failed
                self.put(
                    step,
                    State.FAILED if going else State.SKIPPED,
                    verdict.reason.removeprefix(f"{step}: ") if going else "",
                )
            going = going and record is not None and record.status == "succeeded"

    @property
    def failed(self) -> Step | None:
        """The step that failed, if one did."""
        return next((step for step, row in self.rows().items() if row.state is State.FAILED), None)

    def rows(self) -> dict[Step, Row]:
        """Returns the rows as they are now, in the order of the pipeline."""
        with self._lock:
            now = self._clock()
            return {
                step: dataclasses.replace(row, seconds=now - self._began[step])
                if row.state is State.RUNNING and step in self._began
                else row
                for step, row in self._rows.items()
            }

    @property
    def seconds(self) -> float:
        """Seconds since the board was made."""
        return self._clock() - self._started

    def _do(self, told: Doing) -> None:
        with self._lock:
            now = self._clock()
            for step, row in self._rows.items():
                if row.state is State.RUNNING:
                    if (told.what, told.total) != (row.doing.what, row.doing.total):
                        self._samples.clear()
                    self._samples.append((now, told.done))
                    shown = dataclasses.replace(told, what=_shown(told.what), unit=_shown(told.unit))
                    self._rows[step] = dataclasses.replace(row, doing=shown, speed=self._speed())

    def _speed(self) -> float:
        """Returns units a second of the last seconds."""
        now, done = self._samples[-1]
        while len(self._samples) > 2 and now - self._samples[0][0] > _WINDOW:
            self._samples.popleft()
        since, before = self._samples[0]
        return (done - before) / (now - since) if now - since >= _SHORTEST else 0.0


def _shown(text: str) -> str:
    return escaped(storage.without_secrets(text))
