"""The command of the evaluate step."""

from pathlib import Path

from graft.components.common.errors import GraftError
from graft.components.evaluate.config import EvaluateConfig
from graft.components.evaluate.evaluate import evaluate as evaluate_step
from graft.components.evaluate.parts.part import evaluate_part
from graft.pipelines.cli.options import Flat
from graft.pipelines.cli.steps.recording import NO_RECORD, RecordOptions, run_part, run_step


def evaluate(
    *,
    model: Path,
    dataset: Path,
    output: Path | None = None,
    part: str = "",
    config: Flat[EvaluateConfig] = EvaluateConfig(),  # noqa: B008
    record: RecordOptions = NO_RECORD,
) -> None:
    """Evaluates a Model on images it was not trained on and writes an Evaluation.

    Args:
        model: A Model's folder.
        dataset: A Dataset's folder.
        output: Folder for the Evaluation; it must be empty or not exist. A part makes none.
        part: Only run the models on a part of the images, such as 2/7 for the second of seven, and leave what they say in the store.
            Parts may run at once, on many machines. Evaluate then finds what they left, and does what is missing itself. All get the
            same settings, --store and --run-id.
        config: Settings of the step.
        record: Where the run record goes.
    """
    if (output is None) != bool(part):
        raise GraftError("Name a folder for the Evaluation by --output, or a part by --part, which makes none.")
    if output:
        folder = output
        run_step("evaluate", record, lambda run: evaluate_step(model, dataset, folder, config, run))
    else:
        run_part("evaluate", record, part, lambda recording: evaluate_part(model, dataset, config, recording))
