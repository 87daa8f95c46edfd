"""The train step as a Kubeflow component."""

from kfp import dsl


@dsl.component(base_image="graft:cpu", install_kfp_package=False)
def train(
    dataset: dsl.Input[dsl.Dataset],
    weights: str,
    recipe: str,
    optimizer: str,
    learning_rate: float,
    config: str,
    store: str,
    name: str,
    run_id: str,
    model: dsl.Output[dsl.Model],
    curves: dsl.Output[dsl.HTML],
) -> None:
    """Trains a new head on the frozen backbone.

    Args:
        dataset: The Dataset of ingest.
        weights: `imagenet`, `random`, or path or URI of a Keras weights file.
        recipe: Recipe of the training; empty for the default.
        optimizer: Optimizer; empty for the recipe's.
        learning_rate: Learning rate; 0 for the recipe's.
        config: JSON of further settings, with one section per step.
        store: Path or URI of the store; empty for none.
        name: The model's name.
        run_id: Identifier of the run.
        model: The Model: Keras file, record, learning curves and TensorBoard logs.
        curves: Page of learning curves, augmented images and settings.
    """
    import shutil
    from pathlib import Path

    from graft.components.common.runs.parts import planned_items
    from graft.components.common.runs.step_record import component_step
    from graft.components.train.recipes import train_config
    from graft.components.train.train import train as run_step
    from graft.components.train.training_page import PAGE

    with component_step("train", store, name, run_id) as record:
        given = {"optimizer": optimizer or None, "learning_rate": learning_rate or None}
        settings, planned = train_config(recipe, config, given), planned_items(record.run, "train")
        result = run_step(Path(dataset.path), Path(model.path), weights, settings, store, planned)
        record.outcome = result
    shutil.copyfile(Path(model.path) / PAGE, curves.path)
    model.framework = "keras"
    model.metadata.update({"selection_accuracy": result.selection_accuracy, "epochs": result.epochs})
