"""The evaluate step as a Kubeflow component."""

from kfp import dsl


@dsl.component(base_image="graft:cpu", install_kfp_package=False)
def evaluate(
    model: dsl.Input[dsl.Model],
    dataset: dsl.Input[dsl.Dataset],
    config: str,
    store: str,
    name: str,
    run_id: str,
    evaluation: dsl.Output[dsl.Artifact],
    metrics: dsl.Output[dsl.Metrics],
    curves: dsl.Output[dsl.ClassificationMetrics],
    summary: dsl.Output[dsl.Markdown],
    report: dsl.Output[dsl.HTML],
) -> None:
    """Runs the saved model on the images of the test split, or of validation where there is none.

    Args:
        model: The Model of train.
        dataset: The Dataset of ingest.
        config: JSON of further settings, a section a step.
        store: Path or URI of the store; empty for none.
        name: The model's name.
        run_id: Identifier of the run.
        evaluation: The Evaluation: figures, predictions and report.
        metrics: The figures for the run's page and for comparing runs.
        curves: Confusion matrix of up to 50 classes, and of two the ROC curve, for the run's page.
        summary: The result in a few lines for the run's page.
        report: The report for the run's page.
    """
    import shutil
    from pathlib import Path

    from graft.components.common.artifacts.evaluation import Evaluation
    from graft.components.common.config import configure, section
    from graft.components.common.runs.step_record import component_step
    from graft.components.evaluate.config import EvaluateConfig
    from graft.components.evaluate.evaluate import evaluate as run_step
    from graft.components.evaluate.summary import figures, markdown

    with component_step("evaluate", store, name, run_id) as record:
        settings = configure("evaluate", EvaluateConfig, section(config, "evaluate"))
        result = run_step(Path(model.path), Path(dataset.path), Path(evaluation.path), settings, record.run)
        record.outcome = result
    for figure, value in figures(result.metrics, result.comparisons).items():
        metrics.log_metric(figure, value)
    if result.metrics.confusion:
        curves.log_confusion_matrix(list(result.classes), [list(row) for row in result.metrics.confusion])
    if len(result.classes) == 2:
        for curve in result.metrics.roc.values():
            curves.log_roc_curve(curve.false_positive_rate, curve.true_positive_rate, curve.thresholds)
    Path(summary.path).write_text(markdown(result), encoding="utf-8")
    shutil.copyfile(Path(evaluation.path) / Evaluation.REPORT, report.path)
