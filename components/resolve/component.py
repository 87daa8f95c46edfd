"""The resolve step as a Kubeflow component."""

from kfp import dsl


@dsl.component(base_image="graft:cpu", install_kfp_package=False)
def resolve(
    source: str,
    weights: str,
    recipe: str,
    optimizer: str,
    learning_rate: float,
    min_accuracy: float,
    config: str,
    force: bool,
    store: str,
    name: str,
    run_id: str,
) -> str:
    """Checks that a run can begin and returns the digest of what it is about, or `unchanged`.

    Args:
        source: Path or URI of a folder or archive of images.
        weights: `imagenet`, `random`, or path or URI of a Keras weights file.
        recipe: Recipe of the training; empty for the default.
        optimizer: Optimizer; empty for the recipe's.
        learning_rate: Learning rate; 0 for the recipe's.
        min_accuracy: The gate's threshold; 0 for its default.
        config: JSON of further settings, a section a step.
        force: Whether to run although nothing changed since the last run that came to a decision.
        store: Path or URI of the store; empty for none.
        name: The model's name.
        run_id: Identifier of the run.

    Returns:
        The digest of source, weights, settings and code, or `unchanged`.
    """
    from graft.components.common.parameters import Parameters
    from graft.components.common.runs.step_record import component_step
    from graft.components.resolve.resolve import resolve as run_step

    parameters = Parameters(source, weights, recipe, optimizer, learning_rate, min_accuracy, config, store, name, force)
    with component_step("resolve", store, name, run_id) as record:
        result = run_step(parameters, record.run)
        record.outcome = result
    return result.digest
