"""The gate step as a Kubeflow component."""

from kfp import dsl


@dsl.component(base_image="graft:cpu", install_kfp_package=False)
def gate(
    evaluation: dsl.Input[dsl.Artifact],
    min_accuracy: float,
    config: str,
    store: str,
    name: str,
    run_id: str,
    decision: dsl.Output[dsl.Artifact],
) -> None:
    """Fails, visibly, unless the model is good enough to publish.

    Args:
        evaluation: The Evaluation of evaluate.
        min_accuracy: Least accuracy; 0 for the default.
        config: JSON of further settings, a section a step.
        store: Path or URI of the store; empty for none.
        name: The model's name.
        run_id: Identifier of the run.
        decision: The Decision, which export needs.
    """
    from pathlib import Path

    from graft.components.common.runs.step_record import component_step
    from graft.components.gate.config import gate_config
    from graft.components.gate.gate import gate as run_step

    with component_step("gate", store, name, run_id) as record:
        record.outcome = run_step(Path(evaluation.path), Path(decision.path), gate_config(config, min_accuracy))
    decision.metadata["passed"] = True
