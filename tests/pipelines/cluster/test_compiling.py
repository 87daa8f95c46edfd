"""The compiled pipelines, parsed back with the messages that the backends read them with."""

import subprocess
import sys
from pathlib import Path

import pytest
from google.protobuf import json_format
from kfp import compiler, components, dsl
from kfp.kubernetes.kubernetes_executor_config_pb2 import KubernetesExecutorConfig
from kfp.pipeline_spec.pipeline_spec_pb2 import PipelineDeploymentConfig, PipelineSpec
from support import yaml_documents

from graft.components.common.errors import GraftError
from graft.pipelines.cluster.compiling import compile_component, compile_pipeline, content_name
from graft.pipelines.cluster.profile.fields import Images, Profile
from graft.pipelines.cluster.profile.reading import read_profile

STEPS = {"resolve", "ingest", "train", "evaluate", "gate", "export", "notify"}
IMAGES = Images(cpu="registry.example/graft@sha256:" + "0" * 64, gpu="registry.example/graft@sha256:" + "1" * 64)
FULL = """
pipeline_root: gs://bucket/artifacts
store: gs://bucket/store
gpu: {type: nvidia.com/gpu, count: 2, node_selector: {pool: gpus}, tolerations: [{key: nvidia.com/gpu}]}
retry: {count: 3, backoff: 2m, factor: 3}
steps: {train: {cpu: "8", memory: 30Gi, timeout: 6h, volume: {size: 200Gi}}, ingest: {retries: 0}}
pods:
  image_pull_secrets: [registry]
  tmp: 20Gi
  node_affinity: [{key: arch, values: [amd64]}, {key: bad, operator: DoesNotExist}, {key: spot, values: ["true"], weight: 7}]
  tolerations: [{key: cloud.google.com/gke-spot, operator: Equal, value: "true"}]
  labels: {team: vision}
  annotations: {note: "a: b"}
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
    documents = yaml_documents(output)
    spec = json_format.ParseDict(documents[0], PipelineSpec())
    deployment = json_format.ParseDict(documents[0]["deploymentSpec"], PipelineDeploymentConfig())
    executors = {name.removeprefix("exec-"): entry.container for name, entry in deployment.executors.items()}
    platform = documents[1]["platforms"]["kubernetes"]["deploymentSpec"]["executors"] if len(documents) > 1 else {}
    kubernetes = {
        name.removeprefix("exec-"): json_format.ParseDict(entry, KubernetesExecutorConfig())
        for name, entry in platform.items()
    }
    return spec, executors, kubernetes


def policies(spec):
    """Returns a step's retries, pause, factor, and the seconds after which nothing is tried again."""
    dags = [spec.root.dag, *(component.dag for component in spec.components.values())]
    tasks = {name: task.retry_policy for dag in dags for name, task in dag.tasks.items() if name in STEPS}
    return {
        name: (
            retry.max_retry_count,
            retry.backoff_duration.seconds,
            retry.backoff_factor,
            retry.backoff_max_duration.seconds,
        )
        for name, retry in tasks.items()
    }


def retries(spec):
    return {name: policy[0] for name, policy in policies(spec).items()}


def test_on_kubeflow_train_and_only_it_asks_for_the_gpu_node_pool(tmp_path):
    _, executors, kubernetes = compiled(tmp_path, "kubeflow", FULL)
    assert set(executors) == STEPS
    gpus = {name: executor.resources.accelerator for name, executor in executors.items()}
    assert {name for name, gpu in gpus.items() if gpu.ByteSize()} == {"train"}
    assert (gpus["train"].resource_type, gpus["train"].resource_count) == ("nvidia.com/gpu", "2")
    assert {name for name, config in kubernetes.items() if config.node_selector.labels} == {"train"}
    assert dict(kubernetes["train"].node_selector.labels) == {"pool": "gpus"}
    tolerated = {name: [taint.key for taint in config.tolerations] for name, config in kubernetes.items()}
    spot = ["cloud.google.com/gke-spot"]
    assert tolerated == dict.fromkeys(STEPS - {"train"}, spot) | {"train": [*spot, "nvidia.com/gpu"]}
    gpu = kubernetes["train"].tolerations[-1]
    assert (gpu.key, gpu.operator, gpu.effect) == ("nvidia.com/gpu", "Exists", "NoSchedule")
    assert {name: executor.image for name, executor in executors.items() if name != "train"} == dict.fromkeys(
        STEPS - {"train"}, IMAGES.cpu
    )
    assert executors["train"].image == IMAGES.gpu


@pytest.mark.parametrize("target", ["kubeflow", "vertex"])
def test_evaluate_gets_one_gpu_where_the_profile_says_so(tmp_path, target):
    text = FULL.replace("count: 2", "count: 2, steps: [train, evaluate]")
    if target == "vertex":
        text = "gpu: {type: NVIDIA_TESLA_T4, count: 2, steps: [train, evaluate]}\n"
    _, executors, kubernetes = compiled(tmp_path, target, text)
    gpus = {name: entry.resources.accelerator.resource_count for name, entry in executors.items()}
    assert {name: count for name, count in gpus.items() if count} == {"train": "2", "evaluate": "1"}
    images = {name for name, executor in executors.items() if executor.image == IMAGES.gpu}
    assert images == {"train", "evaluate"}
    if target == "kubeflow":
        placed = kubernetes["train"], kubernetes["evaluate"]
        assert [dict(one.node_selector.labels) for one in placed] == [{"pool": "gpus"}] * 2
        assert [one.tolerations[-1].key for one in placed] == ["nvidia.com/gpu"] * 2


def test_cpu_memory_timeouts_and_secrets_reach_their_steps(tmp_path):
    _, executors, kubernetes = compiled(tmp_path, "kubeflow", FULL)
    resources = executors["train"].resources
    assert (resources.resource_cpu_limit, resources.resource_memory_limit) == ("8", "30Gi")
    assert not executors["gate"].resources.ByteSize()
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


def test_every_pod_gets_what_the_profile_says_of_pods(tmp_path):
    _, _, kubernetes = compiled(tmp_path, "kubeflow", FULL)
    assert set(kubernetes) == STEPS
    for config in kubernetes.values():
        assert [secret.secret_name for secret in config.image_pull_secret] == ["registry"]
        (tmp,) = config.empty_dir_mounts
        assert (tmp.mount_path, tmp.size_limit) == ("/tmp", "20Gi")
        required, preferred = config.node_affinity  # terms of which any will do: what must hold together is one
        assert [(one.key, one.operator, list(one.values)) for one in required.match_expressions] == [
            ("arch", "In", ["amd64"]),
            ("bad", "DoesNotExist", []),
        ]
        assert (preferred.weight, preferred.match_expressions[0].key) == (7, "spot")
        assert not required.HasField("weight")
        assert dict(config.pod_metadata.labels) == {"team": "vision"}
        assert dict(config.pod_metadata.annotations) == {"note": "a: b"}


@pytest.mark.parametrize(("root", "folder"), [("gs://b/a", "/gcs"), ("s3://gs/a", "/s3"), ("minio://b/a", "/minio")])
def test_a_step_s_volume_lies_where_kubeflow_puts_its_artifacts(tmp_path, root, folder):
    text = f"pipeline_root: {root}\nsteps: {{train: {{volume: {{size: 9Gi, storage_class: ssd}}}}, export: {{volume: {{size: 1Gi}}}}}}\n"
    _, _, kubernetes = compiled(tmp_path, "kubeflow", text)
    volumes = {name: config.generic_ephemeral_volume for name, config in kubernetes.items()}
    assert {name for name, found in volumes.items() if found} == {"train", "export"}
    (train,), (export,) = volumes["train"], volumes["export"]
    assert (train.mount_path, train.size, train.storage_class_name) == (folder, "9Gi", "ssd")
    assert (train.access_modes, export.default_storage_class) == (["ReadWriteOnce"], True)


def test_every_step_has_a_time_out_on_kubeflow(tmp_path):
    _, _, kubernetes = compiled(tmp_path, "kubeflow", "steps: {train: {timeout: 6h}}")
    quarter, day = 15 * 60, 86_400
    assert {name: config.active_deadline_seconds for name, config in kubernetes.items()} == {
        **{"resolve": quarter, "gate": quarter, "notify": quarter, "train": 6 * 3600},
        **{"ingest": day, "evaluate": day, "export": day},
    }


def test_everything_is_retried_with_backoff_but_never_the_gate(tmp_path):
    spec, _, _ = compiled(tmp_path, "kubeflow", FULL)
    assert retries(spec) == dict.fromkeys(STEPS - {"gate", "ingest"}, 3) | {"gate": 0, "ingest": 0}
    pauses = 120 * (1 + 3 + 9)
    assert policies(spec)["train"] == (3, 120, 3, 4 * 6 * 3600 + pauses)
    assert policies(spec)["resolve"] == (3, 120, 3, 4 * 15 * 60 + pauses)
    assert policies(spec)["export"] == (3, 120, 3, 4 * 86_400 + pauses)


def test_without_time_outs_all_attempts_have_thirty_days(tmp_path):
    """There is no value for no limit: kfp writes an hour for none, and no retry is made with 0."""
    spec, _, _ = compiled(tmp_path, "vertex")
    assert policies(spec) == {name: (2, 60, 2, 30 * 86_400) if name != "gate" else (0, 0, 0, 0) for name in STEPS}


def test_no_limit_is_more_than_kubernetes_can_count(tmp_path):
    longest = "retry: {count: 10, backoff: 3550w, factor: 10}\nsteps: {train: {timeout: 3550w}}\n"
    spec, _, kubernetes = compiled(tmp_path, "kubeflow", longest)
    assert policies(spec)["train"][3] == 2**31 - 1
    assert kubernetes["train"].active_deadline_seconds == 3550 * 604_800


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
    assert set(kubernetes) == (STEPS if target == "kubeflow" else set())


@pytest.mark.parametrize(
    ("target", "text", "field"),
    [
        ("vertex", "gpu: {type: nvidia.com/gpu}", "gpu.type"),
        ("kubeflow", "gpu: {type: NVIDIA_TESLA_T4}", "gpu.type"),
        ("vertex", "gpu: {type: NVIDIA_TESLA_T4, node_selector: {a: b}}", "gpu.node_selector"),
        ("vertex", "gpu: {type: NVIDIA_TESLA_T4, tolerations: [{key: a}]}", "gpu.tolerations"),
        ("vertex", "gpu: {type: NVIDIA_TESLA_A100, count: 3}", "gpu.count"),
        ("vertex", "gpu: {type: NVIDIA_TESLA_A100}\nsteps: {train: {cpu: 16}}", "steps.train.cpu"),
        ("vertex", "gpu: {type: NVIDIA_TESLA_A100}\nsteps: {train: {memory: 80Gi}}", "steps.train.memory"),
        (
            "vertex",
            "gpu: {type: NVIDIA_TESLA_A100, count: 2, steps: [evaluate]}\nsteps: {evaluate: {cpu: 16}}",
            "steps.evaluate.cpu",
        ),
        ("vertex", "steps: {train: {timeout: 2h}}", "steps.train.timeout"),
        ("vertex", "secrets: [{name: a, key: b, env: C}]", "secrets"),
        ("vertex", "notification: {secret: {name: a, key: b}}", "notification.secret"),
        ("vertex", "steps: {train: {volume: {size: 1Gi}}}", "steps.train.volume"),
        ("vertex", "pods: {tmp: 1Gi}", "pods.tmp"),
        ("vertex", "pods: {labels: {a: b}}", "pods.labels"),
        ("kubeflow", "steps: {train: {volume: {size: 1Gi}}}", "steps.train.volume"),
        ("vertex", "pipeline_root: s3://bucket", "pipeline_root"),
        ("kubeflow", "pipeline_root: bucket/artifacts", "pipeline_root"),
        ("kubeflow", "pipeline_root: https://bucket/artifacts", "pipeline_root"),
        ("kubeflow", "pipeline_root: gs:///artifacts", "pipeline_root"),
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
        (executor,) = yaml_documents(tmp_path / f"{step}.yaml")[0]["deploymentSpec"]["executors"].values()
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


@pytest.mark.parametrize(
    ("gpu", "cpu", "memory"),
    [
        ("{type: NVIDIA_TESLA_T4}", "8", "30G"),
        ("{type: NVIDIA_L4}", "8", "32G"),
        ("{type: NVIDIA_TESLA_A100, count: 2}", "24", "170G"),
        ("{type: NVIDIA_A100_80GB}", "12000m", "158Gi"),
        ("{type: NVIDIA_B200, count: 8}", "200", "2T"),
    ],
)
def test_vertex_gets_what_a_machine_with_that_gpu_has(tmp_path, gpu, cpu, memory):
    train = f"gpu: {gpu}\nsteps: {{train: {{cpu: {cpu}, memory: {memory}}}}}\n"
    _, executors, _ = compiled(tmp_path, "vertex", train)
    assert executors["train"].resources.accelerator.resource_type in gpu
