"""How much of Argo's state a pipeline with parts takes on Kubeflow, and what keeps it small.

Argo packs a workflow's state that is larger than its controller's MAX_WORKFLOW_SIZE, 1 MiB by default. Kubeflow's API doesn't unpack it:
the list of tasks stays as it was then, to the end of the run, without the steps that follow. The run itself goes on.

Every node of Argo holds its inputs and outputs whole. A task is a driver, a group and an executor; the settings of Kubeflow's own
manifests, and those for retries, give each of them a second node for its attempt. So a part has 12 nodes, and its code stands in them 8
times.
"""

import ast
import json
from typing import Any

from google.protobuf import json_format

from graft.components.common.errors import GraftError
from graft.pipelines.cluster.profile.fields import Profile

_NODE = 1_000  # names, times, links; measured on Kubeflow Pipelines 2.17 with Argo 4.0, like the nodes' number
_ATTEMPTS = 2
_LAUNCHER = 1_300  # in an executor's specification of its pod: the launcher's own command, volumes and resources
_ARTIFACT = 450  # a URI, type and metadata
_PARAMETER = 100  # a value: few are longer than a URI
_TEMPLATES = 30_000  # Argo's, which hold each task's specification once more


def slim(pipeline: Any) -> None:
    """Takes docstrings and descriptions out of a pipeline, which would stand in every node."""
    spec = pipeline.pipeline_spec
    for component in spec.components.values():
        for definitions in (component.input_definitions, component.output_definitions):
            for entry in (*definitions.parameters.values(), *definitions.artifacts.values()):
                entry.ClearField("description")
    for executor in spec.deployment_spec["executors"].values():
        command = executor["container"]["command"]
        command[-1] = _without_docstring(command[-1])


def check_state(pipeline: Any, profile: Profile) -> None:
    """Refuses parts with which the state might grow too large for Kubeflow's API.

    Raises:
        GraftError: There are too many, in all steps together; the message tells how many would do.
    """
    limit, parts = profile.kubeflow.max_workflow_size, {step: wanted.parts for step, wanted in profile.fan_out.items()}
    size, without = state_size(pipeline, parts), state_size(pipeline, dict.fromkeys(parts, 0))
    wanted = sum(parts.values())
    if size > limit:
        most = max(0, (limit - without) * wanted // (size - without))
        raise GraftError(
            f"fan_out: {wanted} parts let the workflow's state grow to {size:,} bytes. Beyond {limit:,} Kubeflow shows no more tasks. Ask "
            f"for at most {most} or so, of all steps together; or give Argo's controller a larger MAX_WORKFLOW_SIZE, and name it as "
            "kubeflow.max_workflow_size (docs/gke.md)."
        )


def state_size(pipeline: Any, parts: dict[Any, int]) -> int:
    """Returns how many bytes of state a pipeline takes at most, with all parts there may be.

    Args:
        pipeline: The pipeline.
        parts: How many parts a step may have.
    """
    spec = json_format.MessageToDict(pipeline.pipeline_spec)
    platform = json_format.MessageToDict(pipeline.platform_spec)
    kubernetes = platform.get("platforms", {}).get("kubernetes", {})
    return _State(spec, kubernetes.get("deploymentSpec", {}).get("executors", {})).size(parts)


class _State:
    """The state of a workflow that Kubeflow makes of a compiled pipeline."""

    def __init__(self, spec: dict[str, Any], kubernetes: dict[str, Any]) -> None:
        self._components = spec["components"]
        self._executors = spec["deploymentSpec"]["executors"]
        self._kubernetes = kubernetes
        self._dags = [spec["root"], *(one for one in self._components.values() if "dag" in one)]

    def size(self, parts: dict[Any, int]) -> int:
        """Returns the bytes with so many parts of each step."""
        size = _TEMPLATES + _text(self._components) + _text(self._executors) + _text(self._kubernetes)
        for dag in self._dags:
            for name, task in dag["dag"]["tasks"].items():
                size += _text(task)
                times = parts[name.removesuffix("-part")] if name.endswith("-part") else 1
                size += times * (self._group(task) if "dag" in self._component(task) else self._task(task))
                if "parameterIterator" in task:
                    ((inner, _),) = self._component(task)["dag"]["tasks"].items()
                    size += parts[inner.removesuffix("-part")] * (self._group(task) + _ATTEMPTS * _NODE)
        return size

    def _component(self, task: dict[str, Any]) -> dict[str, Any]:
        found: dict[str, Any] = self._components[task["componentRef"]["name"]]
        return found

    def _group(self, task: dict[str, Any]) -> int:
        """Returns the bytes of a group of tasks, and of its driver."""
        driver = _text(self._component(task)) + _text(task)
        return _ATTEMPTS * (driver + 2 * _NODE)

    def _task(self, task: dict[str, Any]) -> int:
        """Returns the bytes of a task: driver, group and executor, each with its attempt."""
        component = self._component(task)
        label = component["executorLabel"]
        container = self._executors[label]["container"]
        inputs, outputs = component.get("inputDefinitions", {}), component.get("outputDefinitions", {})
        values = _PARAMETER * len(inputs.get("parameters", {}))
        artifacts = _ARTIFACT * (len(inputs.get("artifacts", {})) + len(outputs.get("artifacts", {})))
        placed = _text(self._kubernetes.get(label, {}))
        pod = _text(json.dumps(component)) + _text(container) + placed + values + artifacts + _LAUNCHER
        driver = _text(component) + _text(task) + _text(container) + placed
        return _ATTEMPTS * (driver + 3 * pod + 3 * _NODE)


def _text(value: Any) -> int:
    """Returns the bytes of a value as JSON that stands in JSON as a text."""
    return len(json.dumps(json.dumps(value, separators=(",", ":"))))


def _without_docstring(source: str) -> str:
    """Returns the source of a component without its function's docstring."""
    function = ast.parse(source).body[-1]
    if not isinstance(function, ast.FunctionDef) or ast.get_docstring(function) is None:
        return source
    lines, docstring = source.splitlines(keepends=True), function.body[0]
    return "".join([*lines[: docstring.lineno - 1], *lines[docstring.end_lineno :]])
