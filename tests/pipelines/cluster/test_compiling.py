"""The compiled pipelines, parsed back with the messages that the backends read them with."""

import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from google.protobuf import json_format
from kfp import compiler, components, dsl
from kfp.kubernetes.kubernetes_executor_config_pb2 import KubernetesExecutorConfig
from kfp.pipeline_spec.pipeline_spec_pb2 import PipelineDeploymentConfig, PipelineSpec

from graft.components.common.errors import GraftError
from graft.pipelines.cluster.compiling import compile_component, compile_pipeline, content_name
from graft.pipelines.cluster.profile.fields import Images, Profile
from graft.pipelines.cluster.profile.images import pinned_images
from graft.pipelines.cluster.profile.reading import read_profile

STEPS = {"resolve", "ingest", "train", "evaluate", "gate", "export", "notify"}
IMAGES = Images(cpu="registry.example/graft@sha256:" + "0" * 64, gpu="registry.example/graft@sha256:" + "1" * 64)
FULL = """
pipeline_root: gs://bucket/artifacts
store: gs://bucket/store
gpu: {type: nvidia.com/gpu, count: 2, node_selector: {pool: gpus}, tolerations: [{key: nvidia.com/gpu}]}
retry: {count: 3, backoff: 2m, factor: 3, max_backoff: 1h}
steps: {train: {cpu: "8", memory: 30Gi, timeout: 6h}, ingest: {retries: 0}}
secrets: [{name: keys, key: id, env: KEY_ID, steps: [ingest, train]}]
notification: {secret: {name: hook, key: url}, format: text}
validate_with: kserve:/opt/kserve
kubeflow: {endpoint: "https://kubeflow.example/pipeline"}
"""


def compiled(tmp_path, target, text=None, images=IMAGES):
    """Returns the parsed pipeline, its executors by step, and their Kubernetes configurations by step."""
    path = None
    if text is not None:
        path = tmp_path / "profile.yaml"
        path.write_text(text)
    output = tmp_path / "out" / f"{target}.yaml"
    compile_pipeline(read_profile(path, target), images, target, output)
    documents = list(yaml.safe_load_all(output.read_text()))
    spec = json_format.ParseDict(documents[0], PipelineSpec())
    deployment = json_format.ParseDict(documents[0]["deploymentSpec"], PipelineDeploymentConfig())
    executors = {name.removeprefix("exec-"): entry.container for name, entry in deployment.executors.items()}
    platform = documents[1]["platforms"]["kubernetes"]["deploymentSpec"]["executors"] if len(documents) > 1 else {}
    kubernetes = {
        name.removeprefix("exec-"): json_format.ParseDict(entry, KubernetesExecutorConfig())
        for name, entry in platform.items()
    }
    return spec, executors, kubernetes


def retries(spec):
    dags = [spec.root.dag, *(component.dag for component in spec.components.values())]
    return {
        name: task.retry_policy.max_retry_count for dag in dags for name, task in dag.tasks.items() if name in STEPS
    }


def test_on_kubeflow_train_and_only_it_asks_for_the_gpu_node_pool(tmp_path):
    _, executors, kubernetes = compiled(tmp_path, "kubeflow", FULL)
    assert set(executors) == STEPS
    gpus = {name: executor.resources.accelerator for name, executor in executors.items()}
    assert {name for name, gpu in gpus.items() if gpu.ByteSize()} == {"train"}
    assert (gpus["train"].resource_type, gpus["train"].resource_count) == ("nvidia.com/gpu", "2")
    assert {name for name, config in kubernetes.items() if config.node_selector.labels or config.tolerations} == {
        "train"
    }
    assert dict(kubernetes["train"].node_selector.labels) == {"pool": "gpus"}
    (toleration,) = kubernetes["train"].tolerations
    assert (toleration.key, toleration.operator, toleration.effect) == ("nvidia.com/gpu", "Exists", "NoSchedule")
    assert {name: executor.image for name, executor in executors.items() if name != "train"} == dict.fromkeys(
        STEPS - {"train"}, IMAGES.cpu
    )
    assert executors["train"].image == IMAGES.gpu


def test_cpu_memory_timeouts_and_secrets_reach_their_steps(tmp_path):
    _, executors, kubernetes = compiled(tmp_path, "kubeflow", FULL)
    resources = executors["train"].resources
    assert (resources.resource_cpu_limit, resources.resource_memory_limit) == ("8", "30Gi")
    assert not executors["gate"].resources.ByteSize()
    assert {
        name: config.active_deadline_seconds for name, config in kubernetes.items() if config.active_deadline_seconds
    } == {"train": 6 * 3600}
    secrets = {
        name: {
            (secret.secret_name, pair.secret_key, pair.env_var)
            for secret in config.secret_as_env
            for pair in secret.key_to_env
        }
        for name, config in kubernetes.items()
        if config.secret_as_env
    }
    keys = {("keys", "id", "KEY_ID")}
    assert secrets == {"ingest": keys, "train": keys, "notify": {("hook", "url", "GRAFT_WEBHOOK")}}


def test_everything_is_retried_with_backoff_but_never_the_gate(tmp_path):
    spec, _, _ = compiled(tmp_path, "kubeflow", FULL)
    assert retries(spec) == dict.fromkeys(STEPS - {"gate", "ingest"}, 3) | {"gate": 0, "ingest": 0}
    policy = next(
        task.retry_policy
        for entry in spec.components.values()
        for name, task in entry.dag.tasks.items()
        if name == "train"
    )
    assert (policy.backoff_duration.seconds, policy.backoff_factor, policy.backoff_max_duration.seconds) == (
        120,
        3,
        3600,
    )


def test_the_store_and_root_of_the_profile_are_the_defaults_of_a_run(tmp_path):
    spec, _, _ = compiled(tmp_path, "kubeflow", FULL)
    assert spec.root.input_definitions.parameters["store"].default_value.string_value == "gs://bucket/store"
    assert spec.default_pipeline_root == "gs://bucket/artifacts"
    told = spec.root.dag.tasks["notify"].inputs.parameters
    assert told["link"].runtime_value.constant.string_value == "https://kubeflow.example/pipeline/#/runs/details/{run}"
    assert told["webhook_format"].runtime_value.constant.string_value == "text"


def test_the_server_that_export_tries_is_the_profile_s(tmp_path):
    spec, _, _ = compiled(tmp_path, "kubeflow", FULL)
    (tasks,) = (entry.dag.tasks for entry in spec.components.values() if "export" in entry.dag.tasks)
    told = tasks["export"].inputs.parameters["validate_with"]
    assert told.runtime_value.constant.string_value == "kserve:/opt/kserve"
    with pytest.raises(GraftError, match=r"validate_with: .*has no \{port\}"):
        compiled(tmp_path, "kubeflow", "validate_with: server {folder}")


def test_on_vertex_it_is_one_document_with_a_vertex_accelerator(tmp_path):
    spec, executors, kubernetes = compiled(tmp_path, "vertex")
    assert kubernetes == {}
    gpus = {name: executor.resources.accelerator for name, executor in executors.items()}
    assert {name for name, gpu in gpus.items() if gpu.ByteSize()} == {"train"}
    assert gpus["train"].resource_type == "NVIDIA_TESLA_T4"
    assert retries(spec)["gate"] == 0 and retries(spec)["train"] == 2
    run = spec.root.dag.tasks["notify"].inputs.parameters["run_id"].runtime_value.constant.string_value
    assert run == dsl.PIPELINE_JOB_RESOURCE_NAME_PLACEHOLDER


@pytest.mark.parametrize("target", ["kubeflow", "vertex"])
def test_without_gpus_no_accelerator_is_named_and_all_images_are_the_cpu_one(tmp_path, target):
    _, executors, kubernetes = compiled(tmp_path, target, "store: gs://bucket/store\n", Images(cpu=IMAGES.cpu))
    assert "accelerator" not in (tmp_path / "out" / f"{target}.yaml").read_text().replace("accelerator-", "")
    assert {executor.image for executor in executors.values()} == {IMAGES.cpu}
    assert kubernetes == {}


@pytest.mark.parametrize(
    ("target", "text", "field"),
    [
        ("vertex", "gpu: {type: nvidia.com/gpu}", "gpu.type"),
        ("kubeflow", "gpu: {type: NVIDIA_TESLA_T4}", "gpu.type"),
        ("vertex", "gpu: {type: NVIDIA_TESLA_T4, node_selector: {a: b}}", "gpu.node_selector"),
        ("vertex", "gpu: {type: NVIDIA_TESLA_T4, tolerations: [{key: a}]}", "gpu.tolerations"),
        ("vertex", "steps: {train: {timeout: 2h}}", "steps.train.timeout"),
        ("vertex", "secrets: [{name: a, key: b, env: C}]", "secrets"),
        ("vertex", "notification: {secret: {name: a, key: b}}", "notification.secret"),
        ("vertex", "pipeline_root: s3://bucket", "pipeline_root"),
    ],
)
def test_what_a_target_can_t_do_is_refused_by_name(tmp_path, target, text, field):
    with pytest.raises(GraftError) as refused:
        compiled(tmp_path, target, text)
    assert str(refused.value).startswith(f"{field}: ")
    assert not (tmp_path / "out").exists()


def test_one_component_alone_has_the_step_s_image(tmp_path):
    profile = read_profile(None, "kubeflow")
    for step, image in (("train", IMAGES.gpu), ("ingest", IMAGES.cpu)):
        compile_component(step, profile, IMAGES, "kubeflow", tmp_path / f"{step}.yaml")
        (executor,) = yaml.safe_load((tmp_path / f"{step}.yaml").read_text())["deploymentSpec"]["executors"].values()
        assert executor["container"]["image"] == image
    loaded = components.load_component_from_file(str(tmp_path / "ingest.yaml"))

    @dsl.pipeline
    def their_own(source: str):
        loaded(source=source, digest="", config="", store="", name="model", run_id="run")

    compiler.Compiler().compile(their_own, str(tmp_path / "their_own.yaml"))
    assert IMAGES.cpu in (tmp_path / "their_own.yaml").read_text()


def test_the_same_content_has_the_same_name_and_other_content_another(tmp_path):
    names = set()
    for number, profile in enumerate([Profile(), Profile(), Profile(store="gs://other")]):
        compile_pipeline(profile, IMAGES, "kubeflow", tmp_path / f"{number}.yaml")
        names.add(content_name(tmp_path / f"{number}.yaml"))
    assert len(names) == 2


def test_a_failed_compilation_leaves_the_old_file(tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "vertex.yaml").write_text("as it was")
    with pytest.raises(GraftError):
        compiled(tmp_path, "vertex", "secrets: [{name: a, key: b, env: C}]")
    assert (tmp_path / "out" / "vertex.yaml").read_text() == "as it was"
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["vertex.yaml"]


def test_links():
    profile = read_profile(None, "vertex")
    assert profile.vertex.link("r") == profile.kubeflow.link("r") == ""
    profile = Profile.model_validate({"vertex": {"project": "p", "location": "l"}})
    assert profile.vertex.link("r").endswith("/locations/l/runs/r?project=p")


@pytest.mark.parametrize(
    ("image", "said"),
    [
        ("graft:cpu", "is a tag, which can be moved"),
        ("graft", "is a tag, which can be moved"),
        ("registry/Graft", "is no image"),
        ("registry/graft@sha256:123", "is no image"),
        ("x;rm -rf /", "is no image"),
        ("", "is no image"),
    ],
)
def test_images_go_in_by_digest_or_not_at_all(image, said):
    with pytest.raises(GraftError, match=said):
        pinned_images(Profile(images=Images(cpu=image)), None, allow_tag=False)


def test_tags_only_where_they_are_allowed():
    profile = Profile(images=Images(cpu="graft:cpu"))
    assert pinned_images(profile, None, allow_tag=True).cpu == "graft:cpu"
    with pytest.raises(GraftError, match="is no image"):
        pinned_images(Profile(images=Images(cpu="$(id)")), None, allow_tag=True)


def test_a_gpu_needs_a_gpu_image():
    profile = read_profile(None, "kubeflow").model_copy(update={"images": Images(cpu=IMAGES.cpu)})
    with pytest.raises(GraftError, match=r"images\.gpu: the profile asks for a GPU"):
        pinned_images(profile, None, allow_tag=False)


def test_compiling_imports_no_tensorflow(tmp_path):
    code = """
import sys
from graft.pipelines.cli import app as cli
sys.argv = ["graft", "compile", "--target", "kubeflow", "--allow-tag", "--output", "pipeline.yaml"]
try:
    cli.main()
except SystemExit as ended:
    assert not ended.code, ended
assert not {"tensorflow", "keras", "sklearn", "scipy", "pyarrow"} & set(sys.modules), sys.modules.keys()
"""
    (tmp_path / "images.json").write_text('{"cpu": "graft:cpu", "gpu": "graft:gpu"}')
    subprocess.run([sys.executable, "-c", code], check=True, cwd=tmp_path)
    assert (tmp_path / "pipeline.yaml").stat().st_size > 10_000
    assert Path(tmp_path / "pipeline.yaml").read_text().startswith("# PIPELINE DEFINITION")
