"""The state that Argo keeps of a pipeline when it is over, as Kubeflow Pipelines 2.17 and Argo 4.0 make it: what counts is its size.

A task of a pipeline is a pod for its driver, a group, and a pod for its executor. A group of tasks is a pod for its driver, and itself.
With KFP's own `templateDefaults.retryStrategy` each of them has a node more for its attempt.
"""

import json

RUN = "graft-x7k2p"
UUID = "01234567-89ab-cdef-0123-456789abcdef"
VALUE = "gs://my-bucket/some/folder/of/photographs"


def workflow(documents, parts):
    """Returns the workflow of a run.

    Args:
        documents: The compiled pipeline: its specification, and that for Kubernetes.
        parts: How many parts a step has.
    """
    spec, *rest = documents
    platform = rest[0]["platforms"]["kubernetes"]["deploymentSpec"]["executors"] if rest else {}
    return _Workflow(spec, platform, parts).made()


def size(documents, parts):
    return len(json.dumps(workflow(documents, parts), separators=(",", ":")))


class _Workflow:
    def __init__(self, spec, platform, parts):
        self.spec, self.platform, self.parts, self.nodes = spec, platform, parts, {}

    def made(self):
        self.group("root", RUN, {"componentRef": {"name": "root"}}, "0")
        texts = {
            **{f"components-{name}": one for name, one in self.spec["components"].items()},
            **{f"implementations-{name}": one for name, one in self.spec["deploymentSpec"]["executors"].items()},
            **{f"kubernetes-{name}": one for name, one in self.platform.items()},
        }
        arguments = [{"name": name, "value": compact(value)} for name, value in texts.items()]
        dags = [self.spec["root"], *(one for one in self.spec["components"].values() if "dag" in one)]
        templates = [
            {
                "name": f"{name}-driver",
                "template": "system-container-driver",
                "arguments": {
                    "parameters": [
                        {"name": "component", "value": "{{workflow.parameters.components-0123456789abcdef}}"},
                        {"name": "task", "value": compact(task)},
                        {"name": "container", "value": "{{workflow.parameters.implementations-0123456789abcdef}}"},
                        {"name": "parent-dag-id", "value": "{{inputs.parameters.parent-dag-id}}"},
                    ]
                },
                "depends": " && ".join(f"{one}.Succeeded" for one in task.get("dependentTasks", [])),
            }
            for dag in dags
            for name, task in dag["dag"]["tasks"].items()
        ]
        return {
            "metadata": {"name": RUN, "namespace": "kubeflow", "uid": UUID, "labels": {"pipeline/runid": UUID}},
            "spec": {"templates": templates, "arguments": {"parameters": arguments}, "more": "x" * 9_000},
            "status": {"phase": "Succeeded", "nodes": self.nodes},
        }

    def component(self, task):
        name = task["componentRef"]["name"]
        return self.spec["root"] if name == "root" else self.spec["components"][name]

    def node(self, kind, name, template, inputs, outputs=()):
        """Adds a node, and the one for its attempt."""
        for attempt in (name, f"{name}(0)"):
            identity = f"{RUN}-{len(self.nodes) + 10**9}"
            self.nodes[identity] = {
                "id": identity,
                "name": attempt,
                "displayName": attempt.rpartition(".")[2],
                "type": "Retry" if attempt == name else kind,
                "templateName": template,
                "templateScope": f"local/{RUN}",
                "phase": "Succeeded",
                "boundaryID": f"{RUN}-1234567890",
                "startedAt": "2026-11-26T18:03:47Z",
                "finishedAt": "2026-11-26T18:04:47Z",
                "estimatedDuration": 60,
                "progress": "1/1",
                "resourcesDuration": {"cpu": 1, "memory": 60},
                "nodeFlag": {"retried": True},
                "inputs": {"parameters": [{"name": key, "value": value} for key, value in inputs.items()]},
                "outputs": {
                    "parameters": [
                        {"name": key, "value": value, "valueFrom": {"path": f"/tmp/outputs/{key}", "default": ""}}
                        for key, value in dict(outputs).items()
                    ],
                    "exitCode": "0",
                    "artifacts": [{"name": "main-logs", "s3": {"key": f"artifacts/{RUN}/{identity}/main.log"}}],
                },
                "children": [f"{RUN}-2234567890", f"{RUN}-3234567890"],
                "outboundNodes": [f"{RUN}-4234567890"],
                "hostNodeName": "gke-graft-default-pool-01234567-abcd",
                "more": "x" * 300,  # with which it has the size that was measured
            }

    def driver(self, name, inputs, outputs):
        self.node("Pod", name, "system-dag-driver", inputs, outputs)

    def group(self, name, path, task, index):
        component = self.component(task)
        given = {"component": compact(component), "runtime-config": "", "task": compact(task), "task-name": name}
        given |= {"parent-dag-id": "123", "iteration-index": index, "driver-type": "DAG"}
        outputs = {"execution-id": "123", "iteration-count": "0", "condition": "true"}
        self.driver(f"{path}.{name}-driver", given, outputs)
        inputs = {"parent-dag-id": "123", "condition": ""}
        if "parameterIterator" in task and index == "-1":
            self.node("DAG", f"{path}.{name}", "iterator", inputs)
            ((part, _),) = component["dag"]["tasks"].items()
            for number in range(self.parts[part.removesuffix("-part")]):
                inside = f"{path}.{name}.iteration-iterations({number}:{number})"
                self.node("DAG", inside, f"{name}-iteration", {"parent-dag-id": "123", "iteration-index": str(number)})
                self.group("iteration-item", inside, task, str(number))
            return
        self.node("DAG", f"{path}.{name}", f"comp-{name}", inputs)
        for inner, one in component["dag"]["tasks"].items():
            if "dag" in self.component(one):
                self.group(inner, f"{path}.{name}", one, "-1")
            else:
                self.task(inner, f"{path}.{name}", one)

    def task(self, name, path, task):
        component = self.component(task)
        container = self.spec["deploymentSpec"]["executors"][component["executorLabel"]]["container"]
        placed = self.platform.get(component["executorLabel"], {})
        pod = compact(pod_patch(component, container, placed))
        inputs = {"component": compact(component), "task": compact(task), "container": compact(container)}
        inputs |= {"task-name": name, "parent-dag-id": "123", "iteration-index": "-1"}
        inputs["kubernetes-config"] = compact(placed)
        outputs = {"pod-spec-patch": pod, "cached-decision": "false", "condition": "true"}
        self.node("Pod", f"{path}.{name}-driver", "system-container-driver", inputs, outputs)
        given = {"pod-spec-patch": pod, "retry-max-count": "2", "retry-backoff-duration": "60"}
        self.node("DAG", f"{path}.{name}", "retry-system-container-executor", given | {"cached-decision": "false"})
        self.node("Pod", f"{path}.{name}.executor", "retry-system-container-impl", given)


def pod_patch(component, container, placed):
    """What a driver has added to the pod of an executor."""
    taken, given = component.get("inputDefinitions", {}), component.get("outputDefinitions", {})
    artifact = {
        "uri": f"{VALUE}/graft/{UUID}/train/{UUID}/model",
        "type": {"schemaTitle": "system.Model", "schemaVersion": "0.0.1"},
        "metadata": {"digest": "0" * 64},
    }
    inputs = {
        "parameterValues": dict.fromkeys(taken.get("parameters", {}), VALUE),
        "artifacts": {name: {"artifacts": [artifact | {"name": name}]} for name in taken.get("artifacts", {})},
    }
    outputs = {name: {"artifacts": [artifact | {"name": name}]} for name in given.get("artifacts", {})}
    launcher = ["/kfp-launcher/launch", "--pipeline_name", "graft", "--run_id", UUID, "--execution_id", "123"]
    launcher += ["--executor_input", compact({"inputs": inputs, "outputs": {"artifacts": outputs}})]
    launcher += ["--component_spec", compact(component), "--pod_name", "$(KFP_POD_NAME)", "--pod_uid", "$(KFP_POD_UID)"]
    launcher += ["--mlmd_server_address", "metadata-grpc-service.kubeflow.svc.cluster.local"]
    launcher += ["--mlmd_server_port", "8080", "--publish_logs", "true", "--"]
    main = {"name": "main", "image": container["image"], "command": launcher, "resources": container.get("resources")}
    main |= {"args": [*container["command"], *container["args"]], "env": container.get("env", [])}
    return {"containers": [main], "placed": placed}


def compact(value):
    return json.dumps(value, separators=(",", ":"))
