"""The notify step as a Kubeflow component: the pipeline's exit handler."""

from kfp import dsl


@dsl.component(base_image="graft:cpu", install_kfp_package=False)
def notify(
    link: str,
    webhook_secret: str,
    webhook_format: str,
    webhook_quiet: int,
    store: str,
    name: str,
    run_id: str,
    status: dsl.PipelineTaskFinalStatus,
) -> None:
    """Says how the run ended, whatever happened: in its log, and to the webhook that GRAFT_WEBHOOK or a secret names.

    Args:
        link: Address of a run's page, with `{run}` in place of its identifier; empty for none.
        webhook_secret: Secret Manager version that holds the webhook's URL; empty for none.
        webhook_format: What the webhook gets: `json` for all fields, `text` for `text` alone.
        webhook_quiet: Notify on every Nth unchanged run in a row; this is the N.
        store: Path or URI of the store; empty for none.
        name: The model's name.
        run_id: Identifier of the run.
        status: How the pipeline ended; filled in by the backend.
    """
    import os

    from graft.components.common.runs.step_record import component_step
    from graft.components.notify.notify import Webhook
    from graft.components.notify.notify import notify as run_step

    with component_step("notify", store, name, run_id) as record:
        webhook = Webhook(os.environ.get("GRAFT_WEBHOOK", ""), webhook_secret, webhook_format, webhook_quiet)
        record.outcome = run_step(record.run, status.state, link, webhook)
