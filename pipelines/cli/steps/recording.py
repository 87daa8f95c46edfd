"""What the commands of all steps do around their step: the run record, and what is printed."""

import dataclasses
from collections.abc import Callable
from typing import TypeVar

from cyclopts import Parameter

from graft.components.common.artifacts.outcomes.results import Result
from graft.components.common.errors import GraftError
from graft.components.common.runs.part_record import PartRecording, recorded_part
from graft.components.common.runs.parts import PartNumber
from graft.components.common.runs.run import Run, new_run_id
from graft.components.common.runs.step_record import recorded
from graft.components.common.steps import Component, FannedStep

ResultT = TypeVar("ResultT", bound=Result)


@Parameter(name="*")
@dataclasses.dataclass(frozen=True)
class RecordOptions:
    """Where the step's run record goes.

    Attributes:
        store: Path or URI of the store; without one no run record, images or features are kept.
        name: The model's name in the store.
        run_id: Identifier of the run in the store; by default one made of the time.
    """

    store: str = ""
    name: str = "model"
    run_id: str = ""


NO_RECORD = RecordOptions()


def run_step(step: Component, record: RecordOptions, work: Callable[[Run], ResultT]) -> ResultT:
    """Runs a step, writes its run record, and prints its summary and the path of its output.

    Args:
        step: The step.
        record: Where the record goes; without a run identifier a new one is made.
        work: Does the step's work as part of the run that it is given.
    """
    with recorded(step, Run(record.store, record.name, record.run_id or new_run_id())) as kept:
        result = kept.outcome = work(kept.run)
    print(f"{step}: {result.summary}")
    if path := getattr(result, "path", None):
        print(path)
    return result


def run_part(step: FannedStep, record: RecordOptions, part: str, work: Callable[[PartRecording], None]) -> None:
    """Does a part of a step's work, and writes the part's record.

    Args:
        step: The step.
        record: The run, which has to be named: all parts and the step itself belong to it.
        part: Which part, such as `2/7`.
        work: Does the part's work.

    Raises:
        GraftError: It is no part, or there is no store or run for it; or what the work raises.
    """
    number = PartNumber.parse(part)
    if record.store and not record.run_id:
        raise GraftError(
            f"A part of {step} belongs to a run: name one by --run-id, the same for all parts and for {step} itself."
        )
    with recorded_part(step, number, Run(record.store, record.name, record.run_id)) as recording:
        work(recording)
    if number.alone:
        print(f"{step}: there is no other part, so nothing was done: {step} itself does the work")
    else:
        print(f"{step}: part {part} is done, and the store has its results")
