"""The manifest of an InferenceService, which has KServe serve a version."""

from collections.abc import Mapping

from graft.components.deploy.candidate import Candidate
from graft.components.deploy.config import DeployConfig
from graft.components.deploy.targets.inference_service import OWNER, ROLE, SERVICES, Mark


def predictor_of(candidate: Candidate, config: DeployConfig, attempt: int) -> dict[str, object]:
    """Returns what a service is to serve; fields that are to be absent are None."""
    mark = Mark.of(candidate.version, attempt, candidate.counter)
    return {
        "annotations": mark.annotations(),
        "minReplicas": config.replicas,
        "serviceAccountName": config.service_account or None,
        "model": {
            "modelFormat": {"name": "tensorflow"},
            "protocolVersion": "v1",
            "runtimeVersion": config.runtime_version,
            "storageUri": f"{candidate.uri}/{candidate.base_path}",
        },
    }


def manifest_of(name: str, config: DeployConfig, predictor: Mapping[str, object], *, check: bool) -> dict[str, object]:
    """Returns an InferenceService.

    Args:
        name: Its name.
        config: Where it is to be.
        predictor: What it is to serve.
        check: Whether it is only to check a version.
    """
    # Annotations of the service itself come to its revisions and pods as well: one that changed would make a new revision.
    return {
        "apiVersion": f"{SERVICES.group}/{SERVICES.version}",
        "kind": "InferenceService",
        "metadata": {
            "name": name,
            "namespace": config.namespace,
            "labels": {OWNER: "graft"} | ({ROLE: "check"} if check else {}),
            "annotations": {"serving.kserve.io/enable-tag-routing": "true"},
        },
        "spec": {"predictor": {key: value for key, value in predictor.items() if value is not None}},
    }
