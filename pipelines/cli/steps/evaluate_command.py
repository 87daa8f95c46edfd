"""The command of the evaluate step."""

from pathlib import Path

from graft.components.evaluate.config import EvaluateConfig
from graft.components.evaluate.evaluate import evaluate as evaluate_step
from graft.pipelines.cli.options import Flat
from graft.pipelines.cli.steps.recording import NO_RECORD, RecordOptions, run_step


def evaluate(
    *,
    model: Path,
    dataset: Path,
    output: Path,
    config: Flat[EvaluateConfig] = EvaluateConfig(),  # noqa: B008
    record: RecordOptions = NO_RECORD,
) -> None:
    """Evaluates a Model on images it was not trained on and writes an Evaluation.

    Args:
        model: A Model's folder.
        dataset: A Dataset's folder.
        output: Folder for the Evaluation; it must be empty or not exist.
        config: Settings of the step.
        record: Where the run record goes.
    """
    run_step("evaluate", record, lambda run: evaluate_step(model, dataset, output, config, run))
