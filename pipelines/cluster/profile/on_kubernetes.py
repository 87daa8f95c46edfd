"""What a task gets on Kubernetes alone: time-out, nodes, volumes, labels and secrets, by kfp's extension for it."""

from typing import Any

from kfp import kubernetes

from graft.components.common.steps import Component
from graft.pipelines.cluster.profile.fields import Gpu, Profile
from graft.pipelines.cluster.profile.pods import NodeAffinity, Pods, Toleration, Volume

WEBHOOK_ENV = "GRAFT_WEBHOOK"


def place_on_kubernetes(task: Any, step: Component, profile: Profile, timeout: int, gpu: Gpu | None) -> None:
    """Sets up what only Kubernetes has.

    Args:
        task: The task of kfp.
        step: Its step.
        profile: The profile.
        timeout: Seconds that an attempt may take once its pod is on a node.
        gpu: The GPU that the step asks for.
    """
    kubernetes.set_timeout(task, timeout)
    _place_pod(task, profile.pods)
    for label, value in (gpu.node_selector if gpu else {}).items():
        kubernetes.add_node_selector(task, label, value)
    _tolerate(task, [*profile.pods.tolerations, *(gpu.tolerations if gpu else [])])
    if (settings := profile.steps.get(step)) and settings.volume:
        _mount(task, settings.volume, profile.pipeline_root)
    for secret in profile.secrets:
        if not secret.steps or step in secret.steps:
            kubernetes.use_secret_as_env(task, secret.name, {secret.key: secret.env})
    told = profile.notification
    if step == "notify" and told and told.secret:
        kubernetes.use_secret_as_env(task, told.secret.name, {told.secret.key: WEBHOOK_ENV})


def _place_pod(task: Any, pods: Pods) -> None:
    if pods.image_pull_secrets:
        kubernetes.set_image_pull_secrets(task, pods.image_pull_secrets)
    if pods.tmp:
        kubernetes.empty_dir_mount(task, "tmp", "/tmp", size_limit=pods.tmp)  # noqa: S108 (the pod's own)
    # Kubernetes takes a node that one of several terms holds for, so what must hold together is one term.
    if required := [_expression(wanted) for wanted in pods.node_affinity if wanted.weight is None]:
        kubernetes.add_node_affinity(task, match_expressions=required)
    for wanted in pods.node_affinity:
        if wanted.weight is not None:
            kubernetes.add_node_affinity(task, match_expressions=[_expression(wanted)], weight=wanted.weight)
    for key, value in pods.labels.items():
        kubernetes.add_pod_label(task, key, value)
    for key, value in pods.annotations.items():
        kubernetes.add_pod_annotation(task, key, value)


def _expression(wanted: NodeAffinity) -> dict[str, Any]:
    return {"key": wanted.key, "operator": wanted.operator, "values": wanted.values}


def _tolerate(task: Any, tolerations: list[Toleration]) -> None:
    for taint in tolerations:
        kubernetes.add_toleration(task, taint.key, taint.operator, taint.value or None, taint.effect)


def _mount(task: Any, volume: Volume, root: str) -> None:
    """Mounts a volume where Kubeflow puts artifacts, in place of the `emptyDir` on the node's disk that is there else."""
    folder = f"/{root.partition('://')[0].replace('gs', 'gcs')}"
    kubernetes.add_ephemeral_volume(
        task, "artifacts", folder, ["ReadWriteOnce"], volume.size, volume.storage_class or None
    )
