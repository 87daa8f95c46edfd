"""The command of the export step."""

from pathlib import Path

from graft.components.export.config import ExportConfig
from graft.components.export.export import export as export_step
from graft.pipelines.cli.options import Flat
from graft.pipelines.cli.steps.recording import NO_RECORD, RecordOptions, run_step


def export(
    *,
    model: Path,
    dataset: Path,
    evaluation: Path,
    decision: Path,
    output: Path,
    config: Flat[ExportConfig] = ExportConfig(),  # noqa: B008
    validate_with: str = "",
    record: RecordOptions = NO_RECORD,
) -> None:
    """Exports a Model that passed the gate, and checks the result on real images.

    Args:
        model: A Model's folder.
        dataset: The Dataset that it was evaluated on.
        evaluation: Its Evaluation.
        decision: The gate's Decision.
        output: Folder for the Export; it must be empty or not exist.
        config: Settings of the step.
        validate_with: A server to try the model with, besides Graft's own: kserve:ENVIRONMENT, or a command with {folder}, {name} and
            {port}.
        record: Where the run record goes.
    """
    run_step(
        "export",
        record,
        lambda run: export_step(model, dataset, evaluation, decision, output, config, run, validate_with),
    )
