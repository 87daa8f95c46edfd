"""The notify step as a Kubeflow component: the pipeline's exit handler."""

from kfp import dsl


@dsl.component(base_image="graft:cpu", install_kfp_package=False)
def notify(store: str, name: str, run_id: str, status: dsl.PipelineTaskFinalStatus) -> None:
    """Says how the run ended, whatever happened.

    Args:
        store: Path or URI of the store; empty for none.
        name: The model's name.
        run_id: Identifier of the run.
        status: How the pipeline ended; filled in by the backend.
    """
    from graft.components.common.runs import Run, component_step
    from graft.components.notify.notify import notify as run_step

    with component_step("notify", store, name, run_id) as record:
        record.outcome = run_step(Run(store, name, run_id), status.state)
