"""What a run prints when it ends."""

from rich.console import Console
from rich.table import Table

from graft.components.common.artifacts.evaluation import Evaluation
from graft.pipelines.local.running import RunResult


def print_summary(result: RunResult) -> None:
    """Prints a table of the steps, and the paths of the records and the export."""
    console = Console(soft_wrap=True, highlight=False, markup=False)
    table = Table("step", "seconds", "result", box=None, pad_edge=False)
    for step, record in result.records.by_step().items():
        table.add_row(step, f"{record.seconds:.1f}", record.summary)
    table.add_row("total", f"{result.seconds:.1f}", "failed" if result.failure else result.outcome)
    console.print(table)
    evaluated, exported = result.records.evaluated, result.records.exported
    paths = {
        "records": result.folder / "run.json",
        "report": f"{evaluated.path}/{Evaluation.REPORT}" if evaluated else None,
        "export": exported.path if exported else None,
    }
    for what, path in paths.items():
        if path:
            console.print(f"{what}: {path}")
