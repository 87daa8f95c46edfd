"""Placing the pipeline's tasks, as the profile says."""

import re
from typing import Any

from graft.components.common.artifacts.signing.keys import SIGNING_KEY, VERIFY_KEY
from graft.components.common.errors import GraftError
from graft.components.common.steps import Component
from graft.pipelines.cluster.durations import DAY, LONGEST, parse_duration
from graft.pipelines.cluster.profile.fields import Images, Profile, StepSettings
from graft.pipelines.cluster.profile.machines import misfits
from graft.pipelines.cluster.target import Target

_NO_LIMIT = 30 * DAY
_ROOTS = {"kubeflow": ("gs", "s3", "minio"), "vertex": ("gs",)}
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
        settings = self._settings(step)
        task.set_container_image(self.image(step))
        if settings.cpu:
            task.set_cpu_limit(settings.cpu).set_cpu_request(settings.cpu)
        if settings.memory:
            task.set_memory_limit(settings.memory).set_memory_request(settings.memory)
        gpu = self._profile.gpu_of(step)
        if gpu:
            task.set_accelerator_type(gpu.type).set_accelerator_limit(gpu.count)
        if self._profile.verify_key:
            task.set_env_variable(VERIFY_KEY, self._profile.verify_key)
        if attempts := self._retries(step):
            retry = self._profile.retry
            task.set_retry(
                attempts,
                backoff_duration=f"{parse_duration(retry.backoff)}s",
                backoff_factor=retry.factor,
                backoff_max_duration=f"{self._longest(step)}s",
            )
        if self._target == "kubeflow":
            from graft.pipelines.cluster.profile.on_kubernetes import place_on_kubernetes

            place_on_kubernetes(task, step, self._profile, self._profile.timeout(step), gpu)

    def image(self, step: Component) -> str:
        """Returns the image of a step."""
        return self._images.gpu if self._profile.gpu_of(step) else self._images.cpu

    def _settings(self, step: Component) -> StepSettings:
        return self._profile.steps.get(step, StepSettings())

    def _retries(self, step: Component) -> int:
        """Returns how often a step is tried again; the gate would decide the same."""
        given = self._settings(step).retries
        return 0 if step == "gate" else self._profile.retry.count if given is None else given

    def _longest(self, step: Component) -> int:
        """Returns the seconds that all attempts and the pauses between them may take.

        Argo counts them from the first attempt's start: later it tries nothing again, and ends what it does try. It knows no
        value for no limit.
        """
        if self._target == "vertex":
            return _NO_LIMIT
        retries, retry = self._retries(step), self._profile.retry
        pauses = parse_duration(retry.backoff) * sum(retry.factor**number for number in range(retries))
        return int(min((retries + 1) * self._profile.timeout(step) + pauses, LONGEST))


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
        for given in dict.fromkeys(gpu.steps if gpu else []):
            found += misfits(profile, given)
        for name, step in profile.steps.items():
            found += [
                (f"steps.{name}.{field}", _VERTEX_CANNOT) for field in ("timeout", "volume") if getattr(step, field)
            ]
        found += [(f"pods.{field}", _VERTEX_CANNOT) for field, value in profile.pods if value]
        if profile.verify_key:
            found.append(
                ("verify_key", "Vertex has no Kubernetes secrets, and so no private key to sign by: leave it out")
            )
        if profile.secrets:
            found.append(("secrets", "Vertex has no Kubernetes secrets: give the service account the rights instead"))
        if profile.deploy and profile.deploy.target == "kserve":
            found.append(
                (
                    "deploy.target",
                    "a step on Vertex has no right on a cluster's KServe: deploy to vertex or to a folder",
                )
            )
        if told and told.secret:
            found.append(("notification.secret", "Vertex has no Kubernetes secrets: use secret_manager"))
    else:
        if gpu and "/" not in gpu.type:
            found.append(("gpu.type", f"{gpu.type} is no Kubernetes resource: write it like nvidia.com/gpu"))
        signing = [secret for secret in profile.secrets if secret.env == SIGNING_KEY]
        if any(secret.steps != ["export"] for secret in signing):
            found.append(("secrets", f"{SIGNING_KEY} is for export alone: write steps: [export]"))
        if profile.verify_key and not signing:
            found.append(
                ("verify_key", f"export has no key to sign by: name its secret under secrets, with env: {SIGNING_KEY}")
            )
        if not profile.pipeline_root:
            without = "name a pipeline_root as well: by its scheme Kubeflow chooses the folder of artifacts"
            found += [(f"steps.{name}.volume", without) for name, step in profile.steps.items() if step.volume]
    if profile.deploy and profile.deploy.to and "://" not in profile.deploy.to:
        found.append(("deploy.to", f"{profile.deploy.to} is on the disk of the step's pod: name a folder in a bucket"))
    if profile.pipeline_root and not re.match(rf"({'|'.join(_ROOTS[target])})://[^/]", profile.pipeline_root):
        schemes = " or ".join(f"{scheme}://" for scheme in _ROOTS[target])
        found.append(("pipeline_root", f"{target} takes a folder in a bucket, {schemes}, not {profile.pipeline_root}"))
    return found
