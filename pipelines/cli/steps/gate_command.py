"""The command of the gate step."""

from pathlib import Path

from graft.components.gate.config import GateConfig, rules_config
from graft.components.gate.gate import gate as gate_step
from graft.pipelines.cli.options import given, options_over
from graft.pipelines.cli.steps.recording import NO_RECORD, RecordOptions, run_step

GateOptions = options_over(GateConfig, "the file of rules")


def gate(
    *,
    evaluation: Path,
    output: Path,
    rules: str = "",
    config: GateOptions = GateOptions(),  # type: ignore[valid-type]  # noqa: B008
    record: RecordOptions = NO_RECORD,
) -> None:
    """Decides whether an evaluated Model may be published.

    Args:
        evaluation: An Evaluation's folder.
        output: Folder for the Decision; it must be empty or not exist.
        rules: Path or URI of a .yaml file of rules, such as `min_auc: 0.95`; options win over it.
        config: Settings of the step.
        record: Where the run record goes.
    """
    run_step("gate", record, lambda _: gate_step(evaluation, output, rules_config(rules, given(config))))
