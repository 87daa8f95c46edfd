"""What can be seen of a Kubeflow installation: whether it tries failed steps again, and whether it has the profile's secrets."""

import json
from collections.abc import Callable
from typing import Any

import urllib3
import yaml
from kubernetes import client

from graft.components.common.errors import GraftError
from graft.components.common.findings import Finding
from graft.components.common.services.kubernetes import connect
from graft.pipelines.cluster.profile.fields import Profile

INSTALLED_IN = "kubeflow"
"""The namespace of Kubeflow Pipelines, and of its pipelines where there is only one user."""

_SECONDS = 5.0
_CONFIG_MAP = "workflow-controller-configmap"
_API_SERVER, _PATCH = "ml-pipeline", "COMPILED_PIPELINE_SPEC_PATCH"


class Kubernetes:
    """The cluster of the pod that this runs in, or else of the current context of kubectl.

    Raises:
        GraftError: There is none, or it has no Kubeflow Pipelines.
    """

    def __init__(self) -> None:
        api = connect()
        self.host = api.configuration.host
        self._core, self._apps = client.CoreV1Api(api), client.AppsV1Api(api)

    def config_map(self) -> dict[str, Any]:
        """Returns the settings of Argo's workflow controller."""
        found = self._read(self._core.read_namespaced_config_map, _CONFIG_MAP, INSTALLED_IN)
        if found is None:
            raise GraftError(
                f"the cluster of kubectl, {self.host}, has no Kubeflow Pipelines in the namespace {INSTALLED_IN}."
            )
        return found.get("data") or {}

    def spec_patch(self) -> str:
        """Returns what the API server lays over every pipeline; empty if nothing."""
        found = self._read(self._apps.read_namespaced_deployment, _API_SERVER, INSTALLED_IN) or {}
        containers = _at(found, "spec", "template", "spec").get("containers", [])
        variables = [variable for container in containers for variable in container.get("env", [])]
        return next((entry.get("value", "") for entry in variables if entry["name"] == _PATCH), "")

    def secret_keys(self, name: str, namespace: str) -> set[str] | None:
        """Returns the keys of a secret; None if there is no such secret."""
        found = self._read(self._core.read_namespaced_secret, name, namespace)
        return None if found is None else set(found.get("data") or {})

    def _read(self, method: Callable[..., Any], name: str, namespace: str) -> dict[str, Any] | None:
        try:
            # The client would log what it loads itself, secrets as well.
            answer = method(name, namespace, _preload_content=False, _request_timeout=_SECONDS)
            found = json.loads(answer.data)
        except client.ApiException as error:
            if error.status == 404:
                return None
            raise GraftError(f"{name} in {namespace} may not be read at {self.host} (HTTP {error.status}).") from error
        except (urllib3.exceptions.HTTPError, ValueError) as error:
            raise GraftError(f"{self.host} does not answer as Kubernetes does ({type(error).__name__}).") from error
        if not isinstance(found, dict):
            raise GraftError(f"{self.host} does not answer as Kubernetes does ({name} is no object).")
        return found


def look_at_retries() -> Finding:
    """Looks whether the installation tries failed steps again as a profile says.

    Raises:
        GraftError: The installation can't be looked at.
    """
    kubernetes = Kubernetes()
    settings, unknown = kubernetes.config_map(), ""
    try:
        patch = kubernetes.spec_patch()
    except GraftError:
        patch, unknown = "", f", unless {_PATCH} of {_API_SERVER} says otherwise, which may not be read"
    problem = retry_problem(settings, patch)
    text = f"{problem or 'failing and lost steps are tried again'}{unknown}"
    remedy = f"Change {_CONFIG_MAP} in {INSTALLED_IN} as docs/gke.md says under Retries." if problem else ""
    return Finding("Retries", not problem, f"{text} ({kubernetes.host})", remedy, needed=False)


def retry_problem(settings: dict[str, str], patch: str = "") -> str:
    """Tells what an installation does otherwise than a profile's retries say.

    Args:
        settings: The entries of `workflow-controller-configmap`.
        patch: The API server's `COMPILED_PIPELINE_SPEC_PATCH`, which wins.

    Returns:
        What it does; empty if it does as the profile says.
    """
    defaults = _at(_loaded(settings.get("workflowDefaults", "")), "spec", "templateDefaults", "retryStrategy")
    strategy = {**defaults, **_at(_loaded(patch), "templateDefaults", "retryStrategy")}
    expression = strategy.get("expression")
    # As Argo has it where none is named: argo-workflows, RetryStrategy.RetryPolicyActual.
    policy = strategy.get("retryPolicy") or ("Always" if expression else "OnFailure")
    if policy == "OnFailure":
        return "a step whose pod is lost, as by preemption, is not tried again"
    if policy != "Always":
        return f"a step that fails is not tried again, only one whose pod is lost (retryPolicy {policy})"
    if not expression and str(strategy.get("limit")) != "0":
        return "when a step fails, whole parts of the pipeline run again, and the gate with them"
    return ""


def look_at_secrets(profile: Profile, namespace: str) -> Finding:
    """Looks whether the secrets are there that a profile names: without one, a step can't start.

    Args:
        profile: The profile.
        namespace: Where the steps run; empty for the installation's.

    Raises:
        GraftError: The secrets can't be looked at.
    """
    kubernetes, namespace = Kubernetes(), namespace or INSTALLED_IN
    missing = []
    for name, keys in wanted_secrets(profile).items():
        there = kubernetes.secret_keys(name, namespace)
        if there is None:
            missing.append(f"the secret {name}")
        else:
            missing += [f"the key {key} of the secret {name}" for key in sorted(keys - there)]
    if not missing:
        return Finding("Secrets", ok=True, text=f"all are in {namespace} ({kubernetes.host})")
    text = f"{' and '.join(missing)} {'is' if len(missing) == 1 else 'are'} missing in {namespace} ({kubernetes.host})"
    return Finding("Secrets", False, text, "Make it with kubectl create secret: a step that wants it does not start.")


def wanted_secrets(profile: Profile) -> dict[str, set[str]]:
    """Returns the Kubernetes secrets that a profile names, and the keys in them."""
    wanted: dict[str, set[str]] = {name: set() for name in profile.pods.image_pull_secrets}
    pairs = [(secret.name, secret.key) for secret in profile.secrets]
    if (told := profile.notification) and told.secret:
        pairs.append((told.secret.name, told.secret.key))
    for name, key in pairs:
        wanted.setdefault(name, set()).add(key)
    return wanted


def _loaded(text: str) -> Any:
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError:  # Argo takes it for none
        return None


def _at(content: Any, *keys: str) -> dict[str, Any]:
    """Returns the mapping under keys; an empty one if it isn't there."""
    for key in keys:
        content = content.get(key) if isinstance(content, dict) else None
    return content if isinstance(content, dict) else {}
