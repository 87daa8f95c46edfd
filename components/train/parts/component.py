"""The train step's plan and its parts as Kubeflow components."""

from typing import List  # noqa: UP035  (kfp knows no list[str])

from kfp import dsl


@dsl.component(base_image="graft:cpu", install_kfp_package=False)
def train_plan(
    dataset: dsl.Input[dsl.Dataset],
    weights: str,
    recipe: str,
    optimizer: str,
    learning_rate: float,
    config: str,
    store: str,
    name: str,
    run_id: str,
    parts: int,
    images: int,
) -> List[str]:  # noqa: UP006
    """Lists the images whose features are not in the store, and decides how many parts compute them.

    Args:
        dataset: The Dataset of ingest.
        weights: `imagenet`, `random`, or path or URI of a Keras weights file.
        recipe: Recipe of the training; empty for the default.
        optimizer: Optimizer; empty for the recipe's.
        learning_rate: Learning rate; 0 for the recipe's.
        config: JSON of further settings, with one section per step.
        store: Path or URI of the store.
        name: The model's name.
        run_id: Identifier of the run.
        parts: How many parts there may be.
        images: How many images a part is worth.

    Returns:
        The parts, such as `1/2` and `2/2`; `1/1` if there is no other than the step itself.
    """
    from pathlib import Path

    from graft.components.common.runs.step_record import component_step
    from graft.components.train.parts.plan import plan_train
    from graft.components.train.recipes import train_config

    with component_step("train", store, name, run_id, whole=False) as record:
        given = {"optimizer": optimizer or None, "learning_rate": learning_rate or None}
        return plan_train(Path(dataset.path), weights, train_config(recipe, config, given), record.run, parts, images)


@dsl.component(base_image="graft:cpu", install_kfp_package=False)
def train_part(
    item: str,
    dataset: dsl.Input[dsl.Dataset],
    weights: str,
    recipe: str,
    optimizer: str,
    learning_rate: float,
    config: str,
    store: str,
    name: str,
    run_id: str,
) -> None:
    """Computes the features of a part's share of the images.

    Args:
        item: The part, such as `2/7`.
        dataset: The Dataset of ingest.
        weights: `imagenet`, `random`, or path or URI of a Keras weights file.
        recipe: Recipe of the training; empty for the default.
        optimizer: Optimizer; empty for the recipe's.
        learning_rate: Learning rate; 0 for the recipe's.
        config: JSON of further settings, with one section per step.
        store: Path or URI of the store.
        name: The model's name.
        run_id: Identifier of the run.
    """
    from pathlib import Path

    from graft.components.common.runs.part_record import component_part
    from graft.components.train.parts.part import train_part as work
    from graft.components.train.recipes import train_config

    with component_part("train", store, name, run_id, item) as part:
        given = {"optimizer": optimizer or None, "learning_rate": learning_rate or None}
        work(Path(dataset.path), weights, train_config(recipe, config, given), part)
