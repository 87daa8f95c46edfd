"""The last steps, deploy and mirror, which only those pipelines have whose profile says so."""

import json

import pytest
from kfp import dsl
from support import yaml_documents

from graft.components.common.errors import GraftError
from graft.pipelines.cluster.compiling import compile_pipeline
from graft.pipelines.cluster.profile.fields import Images
from graft.pipelines.cluster.profile.reading import read_profile

IMAGES = Images(cpu="registry.example/graft@sha256:" + "0" * 64)
STORE = "store: gs://bucket/store\nsteps: {export: {cpu: 2}}\n"
DEPLOY = "deploy: {target: folder, to: gs://bucket/serving, keep: 3}\nsecrets: []\n"
MIRROR = "mirror: {to: https://mlflow.example}\n"
PLACED = "steps: {export: {cpu: 2}, deploy: {cpu: 1, memory: 2Gi, retries: 5}}\n"


def compiled(tmp_path, target, text):
    """Returns the documents of a compiled pipeline."""
    path, output = tmp_path / "profile.yaml", tmp_path / f"{target}.yaml"
    path.write_text(text)
    compile_pipeline(read_profile(path, target), IMAGES, target, output)
    return yaml_documents(output)


def steps_of(spec):
    """The tasks of the part that runs when something changed, by step."""
    return next(
        one["dag"]["tasks"] for one in spec["components"].values() if "export" in one.get("dag", {}).get("tasks", {})
    )


def constants(task):
    return {
        name: given["runtimeValue"]["constant"]
        for name, given in task["inputs"]["parameters"].items()
        if "runtimeValue" in given
    }


@pytest.mark.parametrize("target", ["kubeflow", "vertex"])
def test_without_its_last_steps_a_pipeline_is_what_it_is_without_the_sections(tmp_path, target):
    """And what it is without them is committed, to the byte: pipelines/compiled."""
    plain = compiled(tmp_path, target, STORE)
    spec, *platform = compiled(tmp_path, target, STORE + DEPLOY + MIRROR)
    tasks = steps_of(spec)
    assert tasks["deploy"]["dependentTasks"] == ["export"]
    assert tasks["mirror"]["dependentTasks"] == ["deploy"]
    for step in ("deploy", "mirror"):
        del tasks[step], spec["components"][f"comp-{step}"], spec["deploymentSpec"]["executors"][f"exec-{step}"]
        for document in platform:
            del document["platforms"]["kubernetes"]["deploymentSpec"]["executors"][f"exec-{step}"]
    told = spec["deploymentSpec"]["executors"]["exec-resolve"]["container"].pop("env")
    assert told == [{"name": "GRAFT_LAST_STEPS", "value": "deploy,mirror"}]
    assert [spec, *platform] == plain


def test_a_last_step_is_placed_and_told_as_the_others_are(tmp_path):
    secret = "secrets: [{name: keys, key: token, env: MLFLOW_TRACKING_TOKEN, steps: [mirror]}]\n"
    text = "store: gs://bucket/store\nservice_account: runner\n" + PLACED + MIRROR + secret
    spec, platform = compiled(tmp_path, "kubeflow", text + DEPLOY.replace("secrets: []\n", ""))
    tasks, executors = steps_of(spec), spec["deploymentSpec"]["executors"]
    assert executors["exec-deploy"]["container"]["image"] == IMAGES.cpu
    assert executors["exec-deploy"]["container"]["resources"]["resourceCpuLimit"] == "1"
    assert tasks["deploy"]["retryPolicy"]["maxRetryCount"] == 5
    assert tasks["mirror"]["retryPolicy"]["maxRetryCount"] == 2
    kubernetes = platform["platforms"]["kubernetes"]["deploymentSpec"]["executors"]
    assert kubernetes["exec-mirror"]["activeDeadlineSeconds"] == str(15 * 60)
    assert kubernetes["exec-mirror"]["secretAsEnv"][0]["keyToEnv"] == [
        {"envVar": "MLFLOW_TRACKING_TOKEN", "secretKey": "token"}
    ]
    assert "secretAsEnv" not in kubernetes["exec-deploy"]
    given = constants(tasks["deploy"])
    assert json.loads(given["config"]) == {"to": "gs://bucket/serving", "keep": 3}
    assert given["run_id"] == dsl.PIPELINE_JOB_ID_PLACEHOLDER
    assert {"store", "name"} <= tasks["deploy"]["inputs"]["parameters"].keys() - given.keys()
    # What a run is told of its settings is of the steps before.
    assert "componentInputParameter" in tasks["export"]["inputs"]["parameters"]["config"]


def test_only_the_steps_that_a_pipeline_has_are_told_to_resolve(tmp_path):
    (spec,) = compiled(tmp_path, "vertex", STORE + MIRROR)
    env = spec["deploymentSpec"]["executors"]["exec-resolve"]["container"]["env"]
    assert env == [{"name": "GRAFT_LAST_STEPS", "value": "mirror"}]
    assert steps_of(spec)["mirror"]["dependentTasks"] == ["export"]
    assert "deploy" not in steps_of(spec)


def test_what_is_on_vertex_is_in_the_profile_s_project(tmp_path):
    text = (
        "vertex: {project: pets, location: europe-west4}\nmirror: {to: vertex, location: us-central1, image: r/tf:1}\n"
    )
    (spec,) = compiled(tmp_path, "vertex", text)
    given = json.loads(constants(steps_of(spec)["mirror"])["config"])
    assert given == {"to": "vertex", "project": "pets", "location": "us-central1", "image": "r/tf:1"}


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        ("deploy:\n  target: folder\n  too: gs://b", 3, "deploy.too: there is no such field"),
        ("deploy:\n  to: gs://b\n  canary: 0", 3, "deploy.canary: Input should be greater than or equal to 1"),
        ("deploy:\n  target: ftp", 2, "deploy.target: Input should be 'folder', 'kserve' or 'vertex'"),
        ("store: gs://b\ndeploy:\n  to: gs://user:SECRET@b", 2, "deploy: to holds a user name, password"),
        ("mirror: {}", 1, "mirror: to is missing"),
        ("retry: {}\nmirror: {to: mlflow}", 2, "mirror: to can't be 'mlflow': name the address"),
        ("mirror: {to: 'https://a:SECRET@mlflow.example'}", 1, "mirror: to holds a user name, password"),
    ],
)
def test_what_is_wrong_in_a_section_is_said_with_its_line(tmp_path, text, line, said):
    path = tmp_path / "profile.yaml"
    path.write_text(text)
    with pytest.raises(GraftError) as refused:
        read_profile(path, "kubeflow")
    assert str(refused.value).startswith(f"{path}:{line}: {said}"), str(refused.value)
    assert "SECRET" not in str(refused.value)


def test_what_a_target_can_t_do_is_refused(tmp_path):
    for target, section, field in (
        ("vertex", "deploy: {target: kserve}", "deploy.target"),
        ("kubeflow", "deploy: {to: /srv/models}", "deploy.to"),
    ):
        with pytest.raises(GraftError) as refused:
            compiled(tmp_path, target, section)
        assert str(refused.value).startswith(f"{field}: ")
