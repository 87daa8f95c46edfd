"""Recording a part of a step: how far it is while it works, and how it ended."""

import contextlib
import logging
import time
from collections.abc import Iterator

from graft.components.common import storage
from graft.components.common.artifacts.outcomes.part_records import PartRecord
from graft.components.common.artifacts.record import utc_now
from graft.components.common.errors import GraftError
from graft.components.common.messages import shown
from graft.components.common.runs.parts import PartNumber, parts_folder
from graft.components.common.runs.run import Run
from graft.components.common.runs.step_record import as_component
from graft.components.common.steps import FannedStep

log = logging.getLogger("graft")

# Between two accounts of how far it is: those who look at it on this machine see it move.
_SECONDS, _SECONDS_HERE = 15.0, 1.0


class PartRecording:
    """A part while it works.

    Attributes:
        run: The run that it belongs to.
        part: Its number.
    """

    def __init__(self, step: FannedStep, run: Run, part: PartNumber) -> None:
        self.run, self.part = run, part
        self._step, self._started, self._written = step, utc_now(), 0.0
        self._seconds = _SECONDS_HERE if storage.local_path(run.store) else _SECONDS
        self._planned = self._done = 0

    def begin(self, planned: int) -> None:
        """Notes how many images the part's share has."""
        self._planned = planned
        self._write("running")

    def advance(self, images: int) -> None:
        """Notes that the store has the results of further images."""
        self._done += images
        if time.monotonic() - self._written >= self._seconds:
            self._write("running")

    def end(self, error: BaseException | None) -> None:
        """Notes that the part has done its share, or why it gave up."""
        reason = (shown(error) or type(error).__name__) if error else ""
        log.info(
            "%s: part %s: results of %d of %d images are in the store", self._step, self.part, self._done, self._planned
        )
        self._write("failed" if error else "succeeded", reason)

    def _write(self, status: str, reason: str = "") -> None:
        """Writes the record. Where that fails, the log says so: the step goes by the results."""
        record = PartRecord.model_validate(
            {
                "step": self._step,
                "number": self.part.number,
                "of": self.part.of,
                "status": status,
                "planned": self._planned,
                "done": self._done,
                "reason": reason,
                "started": self._started,
                "updated": utc_now(),
            }
        )
        try:
            storage.write(f"{parts_folder(self.run, self._step)}/{self.part.number}.json", record.text().encode())
        except (GraftError, UnicodeEncodeError) as failure:  # the latter of a file's name that is no UTF-8
            log.warning("the record of part %s of %s can't be written: %s", self.part, self._step, failure)
        self._written = time.monotonic()


@contextlib.contextmanager
def recorded_part(step: FannedStep, part: PartNumber, run: Run) -> Iterator[PartRecording]:
    """Has a part of a step leave its record.

    Args:
        step: The step.
        part: Which part.
        run: The run.

    Yields:
        The part, which is told how far it is.

    Raises:
        GraftError: There is no store to leave results in; or what the work raises.
    """
    if not run.store:
        raise GraftError(f"A part of {step} leaves its results in a store: name one by --store.")
    recording = PartRecording(step, run, part)
    try:
        yield recording
    except Exception as error:
        recording.end(error)
        raise
    recording.end(None)


@contextlib.contextmanager
def component_part(step: FannedStep, store: str, name: str, run_id: str, item: str) -> Iterator[PartRecording]:
    """What the component of a part does around its work, as `component_step` does for a step.

    A part that fails by itself has that on record and ends well: the step that follows does the work, or says why it can't. One that is
    killed, or told to end, is tried again.

    Args:
        step: The step.
        store: As in `Run`.
        name: As in `Run`.
        run_id: As in `Run`.
        item: The part, as `PartNumber` writes it.

    Yields:
        The part, which is told how far it is.
    """
    with as_component(step, tells=False):  # how far it is, its record tells: others run beside it
        part = PartNumber.parse(item)
        try:
            with recorded_part(step, part, Run(store, name, run_id.rpartition("/")[2])) as recording:
                yield recording
        except (GraftError, OSError) as error:  # without a traceback, in which a URI with its signature may stand
            log.error("%s: part %s failed, and leaves its work to the step: %s", step, part, shown(error))
        except Exception:
            log.exception("%s: part %s failed, and leaves its work to the step", step, part)
