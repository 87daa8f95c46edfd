"""The run record: each step's own account of how it ended, kept in the store."""

import contextlib
import dataclasses
import logging
import sys
import threading
import time
from collections.abc import Iterable, Iterator
from datetime import datetime

from graft.components.common import storage
from graft.components.common.artifacts.outcomes.results import Result
from graft.components.common.artifacts.outcomes.run_record import (
    STEP_RECORDS,
    Cancelled,
    RunRecords,
    StepRecord,
    StepStatus,
)
from graft.components.common.artifacts.record import utc_now
from graft.components.common.ending import done, in_time, told, undone
from graft.components.common.errors import DamagedRecordError, GateFailedError, GraftError
from graft.components.common.escaping import escape_record
from graft.components.common.messages import shown
from graft.components.common.progress_lines import Began, Ended, WarningTeller, tell, told_if_asked
from graft.components.common.runs.run import Run
from graft.components.common.steps import STEPS, Component, Step

log = logging.getLogger("graft")

_CANCELLED = "cancelled"
_TOLD = "it was told to end before it was done"
_STDOUT = 1


@dataclasses.dataclass
class Recording:
    """A step while it runs.

    Attributes:
        run: The run that the step belongs to.
        outcome: What the step returns, set when the work is done.
    """

    run: Run
    outcome: Result | None = None


@contextlib.contextmanager
def recorded(step: Component, run: Run, *, whole: bool = True) -> Iterator[Recording]:
    """Runs a step's work and writes its run record when it ends, also when it fails or is told to end.

    Args:
        step: The step's name.
        run: The run it belongs to; without a store nothing is written.
        whole: Whether this is all of the step's work. Where it only begins here, a record of its success would end it, and one that an
            attempt before left, of its failure, is removed.

    Yields:
        The step as it runs, whose `outcome` the caller sets.
    """
    recording = Recording(run)
    started, clock = utc_now(), time.monotonic()
    writing, written = threading.Lock(), False

    def write(error: BaseException | None = None) -> None:
        nonlocal written
        with writing:  # that ends a process by force is another thread
            if written or not run.store:
                return
            outcome = error.outcome if isinstance(error, GateFailedError) else None if error else recording.outcome
            status, summary = _ended(error, outcome)
            record = STEP_RECORDS[step](
                step=step,
                status=status,
                error=type(error).__name__ if error else None,
                summary=summary,
                started=started,
                seconds=round(time.monotonic() - clock, 3),
                outcome=outcome,
            )
            try:
                _write(run, step, record.text(), must_succeed=error is None)
            except GraftError:
                written = True  # as well as can be
                raise
            if error is None:
                done.set()  # an interrupt until here replaces the record, and a later one must not contradict it
            written = True
            tell(Ended(step, status, record.seconds, summary))

    tell(Began(step))
    with undone(lambda: write(KeyboardInterrupt())):
        try:
            yield recording
            if whole:
                write()
            elif run.store:
                with contextlib.suppress(storage.MissingError):
                    storage.delete(f"{run.folder}/{step}.json")
        except BaseException as error:
            write(error)
            raise


def _ended(error: BaseException | None, outcome: Result | None) -> tuple[StepStatus, str]:
    """Returns how a step ended, and its summary."""
    if error is None:
        return "succeeded", outcome.summary if outcome else ""
    if isinstance(error, KeyboardInterrupt) or told.is_set():
        return "cancelled", _TOLD
    return "failed", shown(error) or type(error).__name__


def _write(run: Run, name: str, text: str, *, must_succeed: bool) -> None:
    """Writes a step's record; when the step itself failed, a failure here must not hide the reason."""
    uri = f"{run.folder}/{name}.json"
    try:
        storage.write(uri, text.encode())
    except (GraftError, UnicodeEncodeError) as error:  # the latter of a file's name that is no UTF-8
        if must_succeed:
            raise GraftError(f"The run record can't be written: {error}") from error
        log.error("the run record can't be written: %s", error)


def read_run(run: Run, steps: Iterable[Step] | None = None) -> RunRecords:
    """Reads the records of a run's steps; of those that have not ended there is none.

    Args:
        run: The run.
        steps: The steps; all that the run has, if not given.

    Raises:
        DamagedRecordError: A record is there, and can't be read, is damaged or of an unknown schema version.
        GraftError: The store can't be read.
    """
    if steps is None:
        records = read_run(run, STEPS)
        return records.model_copy(update={step: _read(run, step) for step in records.last_steps})
    return RunRecords.model_validate({step: _read(run, step) for step in steps})


def _read(run: Run, step: Component) -> StepRecord[Result] | None:
    uri = f"{run.folder}/{step}.json"
    try:
        content = storage.read(uri)
    except storage.MissingError:
        return None
    except storage.FileError as error:
        raise DamagedRecordError(str(error)) from error
    return STEP_RECORDS[step].parse(content, storage.redact(uri))


def read_notified(run: Run) -> StepRecord[Result] | None:
    """Returns the record of the exit task, with which a run is over; None if that did not end yet.

    Raises:
        DamagedRecordError: It is damaged.
        GraftError: The store can't be read.
    """
    return _read(run, "notify")


def mark_cancelled(run: Run) -> None:
    """Notes in the store, if there is one, that a run was cancelled; where that fails, it is logged: the run is cancelled all the same."""
    if run.store:
        _write(run, _CANCELLED, Cancelled().text(), must_succeed=False)


def was_cancelled(run: Run, records: RunRecords, since: datetime | None = None) -> bool:
    """Tells whether a run was noted as cancelled, and did not go on since: tried again, it may have failed by itself.

    Args:
        run: The run.
        records: Its records.
        since: When it was last begun, where that is known.

    Raises:
        DamagedRecordError: The note is damaged.
        GraftError: The store can't be read.
    """
    uri = f"{run.folder}/{_CANCELLED}.json"
    try:
        noted = Cancelled.parse(storage.read(uri), storage.redact(uri)).cancelled
    except storage.MissingError:
        return False
    failed = (record.started for record in records.by_step().values() if record.status == "failed")
    return noted >= max(failed, default="") and not (since and noted < since.isoformat(timespec="seconds"))


@contextlib.contextmanager
def component_step(step: Component, store: str, name: str, run_id: str, *, whole: bool = True) -> Iterator[Recording]:
    """What every component does around its step: log lines, the run record, errors as one sentence, and an end within 10 s of SIGTERM.

    Args:
        step: The component.
        store: As in `Run`.
        name: As in `Run`.
        run_id: As in `Run`. Vertex tells its steps a resource name with slashes: of that the last part counts.
        whole: As in `recorded`.

    Yields:
        The step as it runs, whose `outcome` the component sets.

    Raises:
        SystemExit: The step failed in a way that its message explains; KFP then shows that sentence and no traceback.
    """
    with as_component(step):
        with recorded(step, Run(store, name, run_id.rpartition("/")[2]), whole=whole) as recording:
            yield recording
        if whole:
            log.info("%s: %s", step, recording.outcome.summary if recording.outcome else "done")


@contextlib.contextmanager
def as_component(step: Component, *, tells: bool = True) -> Iterator[None]:
    """Sets up the process of a component: its log, what it tells, and an end within 10 s of SIGTERM.

    KFP runs a step in a shell, which passes no SIGTERM on. So the end of whoever reads the step's output counts as one.

    Args:
        step: The step, for messages.
        tells: Whether it tells who watches the run what it does, if its environment asks for that.

    Raises:
        SystemExit: The work failed in a way that its message explains.
    """
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(message)s")
    log.addFilter(escape_record)
    output = _STDOUT if sys.stdout else None  # a process may be given none
    teller = WarningTeller()
    log.addHandler(teller)
    try:
        with told_if_asked(output if tells else None), in_time(output, lambda: log.error("%s: %s", step, _TOLD)):
            try:
                yield
            except (GraftError, OSError) as error:
                raise SystemExit(shown(error, f"graft {step}: {error}")) from error
    finally:
        log.removeHandler(teller)
