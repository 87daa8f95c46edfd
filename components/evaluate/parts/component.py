"""The evaluate step's plan and its parts as Kubeflow components."""

from typing import List  # noqa: UP035  (kfp knows no list[str])

from kfp import dsl


@dsl.component(base_image="graft:cpu", install_kfp_package=False)
def evaluate_plan(
    model: dsl.Input[dsl.Model],
    dataset: dsl.Input[dsl.Dataset],
    config: str,
    store: str,
    name: str,
    run_id: str,
    parts: int,
    images: int,
) -> List[str]:  # noqa: UP006
    """Lists the images that the models are run on, and decides how many parts share them.

    Args:
        model: The Model of train.
        dataset: The Dataset of ingest.
        config: JSON of further settings, a section a step.
        store: Path or URI of the store.
        name: The model's name.
        run_id: Identifier of the run.
        parts: How many parts there may be.
        images: How many images a part is worth.

    Returns:
        The parts, such as `1/2` and `2/2`; `1/1` if there is no other than the step itself.
    """
    from pathlib import Path

    from graft.components.common.config import configure, section
    from graft.components.common.runs.step_record import component_step
    from graft.components.evaluate.config import EvaluateConfig
    from graft.components.evaluate.parts.plan import plan_evaluate

    with component_step("evaluate", store, name, run_id, whole=False) as record:
        settings = configure("evaluate", EvaluateConfig, section(config, "evaluate"))
        return plan_evaluate(Path(model.path), Path(dataset.path), settings, record.run, parts, images)


@dsl.component(base_image="graft:cpu", install_kfp_package=False)
def evaluate_part(
    item: str,
    model: dsl.Input[dsl.Model],
    dataset: dsl.Input[dsl.Dataset],
    config: str,
    store: str,
    name: str,
    run_id: str,
) -> None:
    """Runs the models on a part's share of the images.

    Args:
        item: The part, such as `2/7`.
        model: The Model of train.
        dataset: The Dataset of ingest.
        config: JSON of further settings, a section a step.
        store: Path or URI of the store.
        name: The model's name.
        run_id: Identifier of the run.
    """
    from pathlib import Path

    from graft.components.common.config import configure, section
    from graft.components.common.runs.part_record import component_part
    from graft.components.evaluate.config import EvaluateConfig
    from graft.components.evaluate.parts.part import evaluate_part as work

    with component_part("evaluate", store, name, run_id, item) as part:
        settings = configure("evaluate", EvaluateConfig, section(config, "evaluate"))
        work(Path(model.path), Path(dataset.path), settings, part)
