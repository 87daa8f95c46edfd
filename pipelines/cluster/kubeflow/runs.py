"""A run, as Kubeflow tells of it: a cancelled one it calls failed in the end, and only the states before tell."""

from typing import Any

from graft.components.notify.kubeflow import IN_CLUSTER, is_cancel
from graft.pipelines.cluster.backend import ClusterRun, State
from graft.pipelines.cluster.kubeflow.tasks import STATES, moment, steps_of
from graft.pipelines.cluster.profile.fields import Profile
from graft.pipelines.training import PIPELINE


def as_run(run: Any, profile: Profile, endpoint: str, namespace: str) -> ClusterRun:
    """Returns a run.

    Args:
        run: What the API tells (V2beta1Run).
        profile: The profile.
        endpoint: Address of the API.
        namespace: The namespace of its pods.
    """
    state, history = STATES.get(run.state or "", State.PENDING), run.state_history or []
    tasks = (run.run_details.task_details if run.run_details else None) or []
    going = [moment(entry.update_time) for entry in history if entry.state in ("PENDING", "RUNNING")]
    if state is State.FAILED and is_cancel([entry.state for entry in history]):
        state = State.CANCELLED
    runtime = run.runtime_config
    given = (runtime.parameters if runtime else None) or {}
    root = (runtime.pipeline_root if runtime else None) or profile.pipeline_root
    pods = f"--namespace {namespace} --selector pipeline/runid={run.run_id}"
    return ClusterRun(
        run=run.run_id,
        link=_link(run.run_id, profile, endpoint),
        state=state,
        began=going[-1] if going else moment(run.created_at),
        steps=steps_of(tasks, profile.timeout, over=state.final),
        store=str(given.get("store", "")),
        name=str(given.get("name", "model")),
        root=f"{root.rstrip('/')}/{PIPELINE}/{run.run_id}" if root else "",
        look=f"kubectl describe pods {pods}",
        logs=f"kubectl logs --tail=-1 --prefix --container main {pods}",
        error=str(run.error.message or "") if run.error else "",
    )


def _link(run: str, profile: Profile, endpoint: str) -> str:
    """Returns the address of a run's page, at the UI's or at the API's, which mostly serves both, but not inside the cluster."""
    outside = "" if endpoint == IN_CLUSTER else endpoint
    return profile.kubeflow.model_copy(update={"endpoint": outside}).link(run)
