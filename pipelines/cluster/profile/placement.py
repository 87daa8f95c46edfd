"""Placing the pipeline's tasks: image, CPU, memory, GPU, retries, timeouts and secrets, as the profile says."""

from typing import Any

from graft.components.common.errors import GraftError
from graft.components.common.steps import Component
from graft.pipelines.cluster.durations import parse_duration
from graft.pipelines.cluster.profile.fields import Gpu, Images, Profile, StepSettings
from graft.pipelines.cluster.target import Target

WEBHOOK_ENV = "GRAFT_WEBHOOK"
_VERTEX_CANNOT = "Vertex does not have this: leave it out, or compile for kubeflow"


class Placement:
    """Places tasks on a target.

    Raises:
        GraftError: The profile asks for what the target can't do; the message names the field.
    """

    def __init__(self, profile: Profile, images: Images, target: Target) -> None:
        for field, reason in _refused(profile, target):
            raise GraftError(f"{field}: {reason}.")
        self._profile = profile
        self._images = images
        self._target = target

    def __call__(self, task: Any, step: Component) -> None:
        """Sets a task of kfp up."""
        settings = self._profile.steps.get(step, StepSettings())
        task.set_container_image(self.image(step))
        if settings.cpu:
            task.set_cpu_limit(settings.cpu).set_cpu_request(settings.cpu)
        if settings.memory:
            task.set_memory_limit(settings.memory).set_memory_request(settings.memory)
        if gpu := self._gpu(step):
            task.set_accelerator_type(gpu.type).set_accelerator_limit(gpu.count)
        retry = self._profile.retry
        attempts = retry.count if settings.retries is None else settings.retries
        if attempts and step != "gate":
            task.set_retry(
                attempts,
                backoff_duration=f"{parse_duration(retry.backoff)}s",
                backoff_factor=retry.factor,
                backoff_max_duration=f"{parse_duration(retry.max_backoff)}s",
            )
        if self._target == "kubeflow":
            self._place_on_kubernetes(task, step, settings)

    def image(self, step: Component) -> str:
        """Returns the image of a step."""
        return self._images.gpu if self._gpu(step) else self._images.cpu

    def _gpu(self, step: Component) -> Gpu | None:
        return self._profile.gpu if step == "train" else None

    def _place_on_kubernetes(self, task: Any, step: Component, settings: StepSettings) -> None:
        from kfp import kubernetes

        if settings.timeout:
            kubernetes.set_timeout(task, parse_duration(settings.timeout))
        if gpu := self._gpu(step):
            for label, value in gpu.node_selector.items():
                kubernetes.add_node_selector(task, label, value)
            for toleration in gpu.tolerations:
                kubernetes.add_toleration(
                    task, toleration.key, toleration.operator, toleration.value or None, toleration.effect
                )
        for secret in self._profile.secrets:
            if not secret.steps or step in secret.steps:
                kubernetes.use_secret_as_env(task, secret.name, {secret.key: secret.env})
        told = self._profile.notification
        if step == "notify" and told and told.secret:
            kubernetes.use_secret_as_env(task, told.secret.name, {told.secret.key: WEBHOOK_ENV})


def _refused(profile: Profile, target: Target) -> list[tuple[str, str]]:
    """Returns the fields that a target can't satisfy, and why."""
    gpu, told = profile.gpu, profile.notification
    found = []
    if target == "vertex":
        if gpu and not gpu.type.isupper():
            found.append(("gpu.type", f"{gpu.type} is no accelerator of Vertex: write it like NVIDIA_TESLA_T4"))
        if gpu and gpu.node_selector:
            found.append(("gpu.node_selector", _VERTEX_CANNOT))
        if gpu and gpu.tolerations:
            found.append(("gpu.tolerations", _VERTEX_CANNOT))
        found += [(f"steps.{name}.timeout", _VERTEX_CANNOT) for name, step in profile.steps.items() if step.timeout]
        if profile.secrets:
            found.append(("secrets", "Vertex has no Kubernetes secrets: give the service account the rights instead"))
        if told and told.secret:
            found.append(("notification.secret", "Vertex has no Kubernetes secrets: use secret_manager"))
        if profile.pipeline_root and not profile.pipeline_root.startswith("gs://"):
            found.append(("pipeline_root", f"Vertex takes a gs:// bucket, not {profile.pipeline_root}"))
    elif gpu and "/" not in gpu.type:
        found.append(("gpu.type", f"{gpu.type} is no Kubernetes resource: write it like nvidia.com/gpu"))
    return found
