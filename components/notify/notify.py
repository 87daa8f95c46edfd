"""The notify step: one line about the run, from the records that its steps left in the store."""

import dataclasses

from graft.components.common.runs import Run, read_run


@dataclasses.dataclass(frozen=True)
class NotifyResult:
    """What notify says.

    Attributes:
        message: The line.
    """

    message: str

    @property
    def summary(self) -> str:
        """The line itself."""
        return self.message


def notify(run: Run, pipeline_state: str) -> NotifyResult:
    """Says how a run ended.

    Args:
        run: The run; without a store only the pipeline's own state is known.
        pipeline_state: The state that the pipeline's backend gives.
    """
    records = read_run(run) if run.store else {}
    failed = next(((step, record) for step, record in records.items() if record["status"] != "succeeded"), None)
    last = list(records.items())[-1:]
    told = [failed] if failed else last
    detail = "".join(f"; {step}: {record['summary']}" for step, record in told)
    return NotifyResult(f"run {run.run_id or '(unnamed)'} of {run.name} ended as {pipeline_state}{detail}")
