"""The export step as a Kubeflow component."""

from kfp import dsl


@dsl.component(base_image="graft:cpu", install_kfp_package=False)
def export(
    model: dsl.Input[dsl.Model],
    dataset: dsl.Input[dsl.Dataset],
    evaluation: dsl.Input[dsl.Artifact],
    decision: dsl.Input[dsl.Artifact],
    config: str,
    store: str,
    name: str,
    run_id: str,
    validate_with: str,
    exported: dsl.Output[dsl.Model],
) -> None:
    """Exports a model that passed the gate, checks the result on real images, and publishes it.

    Args:
        model: The Model of train.
        dataset: The Dataset of ingest.
        evaluation: The Evaluation of evaluate.
        decision: The Decision of gate.
        config: JSON of further settings, a section a step.
        store: Path or URI of the store; empty for none.
        name: The model's name.
        run_id: Identifier of the run.
        validate_with: The server that the model is tried with besides Graft's own; empty for none.
        exported: The Export: SavedModel, Keras file, lineage and checksums.
    """
    from pathlib import Path

    from graft.components.common.config import configure, section
    from graft.components.common.runs.step_record import component_step
    from graft.components.export.config import ExportConfig
    from graft.components.export.export import export as run_step

    with component_step("export", store, name, run_id) as record:
        settings = configure("export", ExportConfig, section(config, "export"))
        result = run_step(
            model=Path(model.path),
            dataset=Path(dataset.path),
            evaluation=Path(evaluation.path),
            decision=Path(decision.path),
            output=Path(exported.path),
            config=settings,
            run=record.run,
            validate_with=validate_with,
        )
        record.outcome = result
    exported.framework = "tensorflow"
    exported.metadata.update({"version": result.version, "max_difference": result.max_difference})
    if result.published.uri:
        exported.metadata.update({"published": result.published.uri, "promoted": result.published.promoted})
