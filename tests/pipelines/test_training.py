"""The compiled pipeline has the shape that makes the gate binding and the source fresh."""

import pytest
from kfp import compiler, dsl
from support import yaml_documents

from graft.components.common.steps import STEPS
from graft.pipelines.training import build_pipeline, on_image


@pytest.fixture(scope="module")
def spec(tmp_path_factory):
    path = tmp_path_factory.mktemp("compiled") / "pipeline.yaml"
    compiler.Compiler().compile(build_pipeline(on_image("registry.example/graft@sha256:" + "0" * 64)), str(path))
    return yaml_documents(path)[0]


def test_parameters(spec):
    parameters = spec["root"]["inputDefinitions"]["parameters"]
    assert set(parameters) == {
        *("source", "weights", "recipe", "optimizer", "learning_rate"),
        *("min_accuracy", "config", "store", "name", "force"),
    }
    assert not parameters["source"].get("isOptional")
    assert parameters["weights"] == {"defaultValue": "imagenet", "isOptional": True, "parameterType": "STRING"}
    assert parameters["learning_rate"]["parameterType"] == "NUMBER_DOUBLE"
    assert parameters["force"]["parameterType"] == "BOOLEAN"


def test_notify_always_runs_and_the_rest_only_if_something_changed(spec):
    root = spec["root"]["dag"]["tasks"]
    assert root["notify"]["triggerPolicy"]["strategy"] == "ALL_UPSTREAM_TASKS_COMPLETED"
    inside = spec["components"]["comp-exit-handler-1"]["dag"]["tasks"]
    (changed,) = [task for name, task in inside.items() if name != "resolve"]
    assert "!= 'unchanged'" in changed["triggerPolicy"]["condition"]
    assert changed["dependentTasks"] == ["resolve"]


def steps(spec):
    return spec["components"]["comp-condition-2"]["dag"]["tasks"]


def test_export_needs_the_gate_s_decision_as_data(spec):
    decision = steps(spec)["export"]["inputs"]["artifacts"]["decision"]["taskOutputArtifact"]
    assert (decision["producerTask"], decision["outputArtifactKey"]) == ("gate", "decision")


def test_no_step_is_served_from_a_step_cache_and_ingest_depends_on_the_digest(spec):
    dags = [spec["root"]["dag"], *(one["dag"] for one in spec["components"].values() if "dag" in one)]
    tasks = {name: task for dag in dags for name, task in dag["tasks"].items()}
    assert set(STEPS) <= tasks.keys()
    assert [name for name, task in tasks.items() if (task.get("cachingOptions") or {}).get("enableCache")] == []
    assert all("cachingOptions" in tasks[name] for name in STEPS)  # what has none is cached
    assert "digest" in tasks["ingest"]["inputs"]["parameters"]


def test_all_steps_run_in_the_image_given_and_install_nothing(spec):
    executors = spec["deploymentSpec"]["executors"]
    assert len(executors) == 7
    for executor in executors.values():
        assert executor["container"]["image"].endswith("@sha256:" + "0" * 64)
        assert "pip install" not in " ".join(executor["container"]["command"])


def test_the_run_is_named_by_the_backend_unless_told_otherwise(spec):
    given = steps(spec)["train"]["inputs"]["parameters"]["run_id"]
    assert given["runtimeValue"]["constant"] == str(dsl.PIPELINE_JOB_ID_PLACEHOLDER)
