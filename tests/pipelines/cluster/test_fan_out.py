"""A profile's `fan_out`: what it compiles to, and how many parts Kubeflow's API can show."""

import ast
import bisect
import dataclasses

import argo_state
import pytest
from google.protobuf import json_format
from kfp import compiler, dsl
from kfp.kubernetes.kubernetes_executor_config_pb2 import KubernetesExecutorConfig
from kfp.pipeline_spec.pipeline_spec_pb2 import PipelineDeploymentConfig, PipelineSpec
from support import yaml_documents

from graft.components.common.errors import GraftError
from graft.components.common.parameters import Parameters
from graft.components.common.steps import FANNED_STEPS
from graft.pipelines.cluster.compiling import compile_pipeline
from graft.pipelines.cluster.kubeflow.workflow_state import slim, state_size
from graft.pipelines.cluster.profile.fields import Images
from graft.pipelines.cluster.profile.reading import read_profile
from graft.pipelines.cluster.submitting import run_parameters
from graft.pipelines.training import PARTS, build_pipeline

IMAGES = Images(
    cpu="europe-west4-docker.pkg.dev/my-project/graft/graft@sha256:" + "0" * 64,
    gpu="europe-west4-docker.pkg.dev/my-project/graft/graft-gpu@sha256:" + "1" * 64,
)
KUBEFLOW = """
pipeline_root: gs://bucket/artifacts
store: gs://bucket/store
gpu:
  type: nvidia.com/gpu
  count: 2
  steps: [train, evaluate]
  node_selector: {pool: gpus}
  tolerations: [{key: nvidia.com/gpu}]
retry: {count: 3, backoff: 2m, factor: 3}
steps:
  resolve: {timeout: 30m, memory: 4Gi}
  ingest: {retries: 1, memory: 8Gi}
  train: {cpu: "8", memory: 30Gi, timeout: 6h, volume: {size: 200Gi}}
pods:
  tmp: 20Gi
  tolerations: [{key: cloud.google.com/gke-spot, operator: Equal, value: "true"}]
  labels: {team: vision}
secrets: [{name: keys, key: id, env: KEY_ID, steps: [ingest, train]}]
deploy: {target: kserve, namespace: models}
mirror: {to: "https://mlflow.example.com"}
"""
VERTEX = """
pipeline_root: gs://bucket/artifacts
store: gs://bucket/store
gpu: {type: NVIDIA_TESLA_T4, count: 2, steps: [train, evaluate]}
retry: {count: 3, backoff: 2m, factor: 3}
steps: {ingest: {retries: 1, memory: 8Gi}, train: {cpu: "8", memory: 30G}}
"""
SOME = "fan_out: {ingest: {parts: 2}, train: {parts: 1, images: 250000}, evaluate: {parts: 1}}\n"


def fan_out(ingest=0, train=0, evaluate=0):
    """Returns the profile's line that asks for so many parts of each step."""
    wanted = {"ingest": ingest, "train": train, "evaluate": evaluate}
    return f"fan_out: {{{', '.join(f'{step}: {{parts: {parts}}}' for step, parts in wanted.items() if parts)}}}\n"


def compile_it(folder, target, text):
    (folder / "profile.yaml").write_text(text)
    compile_pipeline(read_profile(folder / "profile.yaml", target), IMAGES, target, folder / "pipeline.yaml")


def documents(folder, target, text):
    compile_it(folder, target, text)
    return yaml_documents(folder / "pipeline.yaml")


@pytest.fixture(scope="module", params=["kubeflow", "vertex"])
def made(request, tmp_path_factory):
    """The target, the pipeline as its backend reads it, its executors, and what Kubernetes adds to them."""
    text = (KUBEFLOW if request.param == "kubeflow" else VERTEX) + SOME
    spec, *rest = documents(tmp_path_factory.mktemp("compiled"), request.param, text)
    deployment = json_format.ParseDict(spec["deploymentSpec"], PipelineDeploymentConfig())
    executors = {name.removeprefix("exec-"): entry.container for name, entry in deployment.executors.items()}
    platform = rest[0]["platforms"]["kubernetes"]["deploymentSpec"]["executors"] if rest else {}
    kubernetes = {
        name.removeprefix("exec-"): json_format.ParseDict(entry, KubernetesExecutorConfig())
        for name, entry in platform.items()
    }
    return request.param, json_format.ParseDict(spec, PipelineSpec()), executors, kubernetes


def loops(spec):
    """Returns for each step the loop's task, and the tasks in it."""
    changed = spec.components["comp-condition-2"].dag.tasks
    found = {}
    for name, task in changed.items():
        if task.WhichOneof("iterator"):
            ((part, inner),) = spec.components[task.component_ref.name].dag.tasks.items()
            found[part.removesuffix("-part")] = name, task, inner
    return changed, found


def test_each_step_comes_after_a_loop_of_parts_over_what_its_plan_returns(made):
    _, spec, _, _ = made
    changed, found = loops(spec)
    assert set(found) == set(FANNED_STEPS)
    for step, (loop, task, part) in found.items():
        plan = changed[f"{step}-plan"]
        assert loop in changed[step].dependent_tasks
        assert list(task.dependent_tasks)[-1:] == [f"{step}-plan"] or f"{step}-plan" in task.dependent_tasks
        items = task.inputs.parameters[task.parameter_iterator.items.input_parameter]
        assert items.task_output_parameter.producer_task == f"{step}-plan"
        item = part.inputs.parameters["item"].component_input_parameter
        assert item == task.parameter_iterator.item_input
        named = {name: value.runtime_value.constant.number_value for name, value in plan.inputs.parameters.items()}
        wanted = {"ingest": (2, 50_000), "train": (1, 250_000), "evaluate": (1, 50_000)}
        assert (named["parts"], named["images"]) == wanted[step]
        assert not part.caching_options.enable_cache and part.HasField("caching_options")
        assert not plan.caching_options.enable_cache and plan.HasField("caching_options")
    assert set(spec.root.dag.tasks) == {"exit-handler-1", "notify"}


def test_a_part_reads_what_its_step_reads(made):
    _, spec, _, _ = made
    changed, found = loops(spec)
    for step, (_, task, part) in found.items():
        for kind in ("artifacts", "parameters"):
            for name, given in getattr(part.inputs, kind).items():
                if name != "item" and (outer := getattr(given, f"component_input_{kind[:-1]}")):
                    assert getattr(task.inputs, kind)[outer] == getattr(changed[step].inputs, kind)[name], (step, name)


def test_a_part_is_placed_as_its_step_and_a_plan_as_resolve(made):
    _, spec, executors, kubernetes = made
    changed, found = loops(spec)
    resolve = spec.components["comp-exit-handler-1"].dag.tasks["resolve"]
    for step, (_, _, part) in found.items():
        for name, like, task, model in (
            (f"{step}-part", step, part, changed[step]),
            (f"{step}-plan", "resolve", changed[f"{step}-plan"], resolve),
        ):
            assert task.retry_policy == model.retry_policy and task.retry_policy.max_retry_count > 0
            mine, its = executors[name], executors[like]
            assert (mine.image, mine.resources) == (its.image, its.resources)
            env = [variable for variable in its.env if variable.name != "GRAFT_LAST_STEPS"]
            assert list(mine.env) == env
            assert kubernetes.get(name) == kubernetes.get(like)
    assert found["ingest"][2].retry_policy.max_retry_count == 1


def test_gpu_deadline_tolerations_and_secrets_reach_the_tasks_of_the_loops(made):
    target, _, executors, kubernetes = made
    gpus = {name: entry.resources.accelerator.resource_count for name, entry in executors.items()}
    with_gpu = {"train": "2", "train-part": "2", "evaluate": "1", "evaluate-part": "1"}
    assert {name: count for name, count in gpus.items() if count} == with_gpu
    assert {name for name, entry in executors.items() if entry.image == IMAGES.gpu} == set(with_gpu)
    if target == "vertex":
        assert not kubernetes
        return
    deadlines = {name: config.active_deadline_seconds for name, config in kubernetes.items()}
    assert (deadlines["train-part"], deadlines["ingest-part"], deadlines["train-plan"]) == (21_600, 86_400, 1_800)
    tolerated = {name: [taint.key for taint in config.tolerations] for name, config in kubernetes.items()}
    assert tolerated["train-part"] == ["cloud.google.com/gke-spot", "nvidia.com/gpu"]
    assert tolerated["ingest-part"] == tolerated["train-plan"] == ["cloud.google.com/gke-spot"]
    assert dict(kubernetes["train-part"].node_selector.labels) == {"pool": "gpus"}
    secret = {name for name, config in kubernetes.items() if config.secret_as_env}
    assert secret == {"ingest", "ingest-part", "train", "train-part"}


def test_a_step_without_an_entry_compiles_as_ever(tmp_path):
    spec, _ = documents(tmp_path, "kubeflow", KUBEFLOW + fan_out(train=2))
    plain, _ = documents(tmp_path, "kubeflow", KUBEFLOW)
    with_parts, without = (one["components"]["comp-condition-2"]["dag"]["tasks"] for one in (spec, plain))
    assert with_parts.keys() - without.keys() == {"train-plan", "for-loop-3"}
    assert {name for name, task in without.items() if with_parts[name] != task} == {"train"}
    assert with_parts["train"] == without["train"] | {"dependentTasks": ["for-loop-3", "ingest"]}


@pytest.mark.parametrize(
    ("target", "line", "said"),
    [
        ("kubeflow", "fan_out: {ingest: {parts: 65}}", r"fan_out.ingest.parts: Input should be less than or equal to"),
        ("vertex", "fan_out: {ingest: {parts: 65}}", r"fan_out.ingest.parts: Input should be less than or equal to"),
        ("vertex", "fan_out: {ingest: {parts: 0}}", r"fan_out.ingest.parts: Input should be greater than"),
        ("vertex", "fan_out: {ingest: {parts: true}}", r"fan_out.ingest.parts: Input should be a valid integer"),
        ("vertex", "fan_out: {ingest: {parts: 2, images: 0}}", r"fan_out.ingest.images: Input should be greater than"),
        ("vertex", "fan_out: {gate: {parts: 2}}", r"fan_out.gate: Input should be 'ingest', 'train' or 'evaluate'"),
        ("vertex", "fan_out: {train: {images: 2}}", r"fan_out.train.parts: Field required"),
        ("kubeflow", "kubeflow: {max_workflow_size: 2000000}", r"kubeflow.max_workflow_size: Input should be less"),
        (
            "kubeflow",
            fan_out(ingest=12, train=12, evaluate=12),
            r"fan_out: 36 parts let .* grow to 2,\d{3},\d{3} bytes. Beyond 1,048,576 .* at most 5 or so, of all steps together",
        ),
        (
            "kubeflow",
            fan_out(ingest=12, train=12, evaluate=12) + "kubeflow: {max_workflow_size: 1450000}",
            r"Beyond 1,450,000 Kubeflow shows no more tasks. Ask for at most 1\d or so",
        ),
    ],
)
def test_what_can_t_be_is_refused_by_its_field(tmp_path, target, line, said):
    with pytest.raises(GraftError, match=said):
        documents(tmp_path, target, (KUBEFLOW if target == "kubeflow" else VERTEX) + line)


def test_a_run_without_a_store_is_refused_before_it_is_submitted(tmp_path):
    (tmp_path / "profile.yaml").write_text("fan_out: {train: {parts: 2}}\n")
    profile = read_profile(tmp_path / "profile.yaml", "kubeflow")
    given = Parameters("gs://bucket/photos", name="pets")
    with pytest.raises(GraftError, match="fan_out in the profile needs a store, .* --store, or in the profile"):
        run_parameters(given, profile, upload=False)
    with_store = dataclasses.replace(given, store="gs://bucket/store")
    assert run_parameters(with_store, profile, upload=False).store == "gs://bucket/store"


def test_vertex_takes_64_parts_of_each_step(tmp_path):
    documents(tmp_path, "vertex", VERTEX + fan_out(64, 64, 64))


@pytest.mark.parametrize(
    ("steps", "limit"), [(FANNED_STEPS, 2**20), (FANNED_STEPS, 1_450_000), (("ingest",), 2**20)], ids=str
)
def test_with_as_many_parts_as_are_allowed_kubeflow_s_api_still_sees_the_run(tmp_path, steps, limit):
    text = KUBEFLOW + f"kubeflow: {{max_workflow_size: {limit}}}\n"

    def shared(count):
        """How many parts of so many in all each step has."""
        return {step: len(range(number, count, len(steps))) for number, step in enumerate(steps)}

    def refused(count):
        try:
            compile_it(tmp_path, "kubeflow", text + fan_out(**shared(count)))
        except GraftError:
            return True
        return False

    most = bisect.bisect(range(len(steps), 65), False, key=refused) + len(steps) - 1
    parts = shared(most)
    compiled = documents(tmp_path, "kubeflow", text + fan_out(**parts))
    assert 0.8 * limit < argo_state.size(compiled, parts) < limit, parts
    assert most >= (5 if limit == 2**20 else 11), parts


@dsl.component(base_image="python:3.11-slim", install_kfp_package=False)
def plan_op(count: int) -> list:
    return [f"{number + 1}/{count}" for number in range(count)]


@dsl.component(base_image="python:3.11-slim", install_kfp_package=False)
def toy_part(item: str, folder: str, seconds: float, fail: str):
    import os
    import sys
    import time

    time.sleep(seconds)
    print("part", item, os.environ)
    if item in fail.split(","):
        sys.exit(1)


def test_a_part_is_counted_with_the_bytes_that_it_had_on_a_real_kubeflow(tmp_path):
    """There a small part took 12 nodes and 37,000 bytes."""

    @dsl.pipeline(name="toy")
    def toy(count: int = 3, folder: str = "/x", fail: str = ""):
        with dsl.ParallelFor(plan_op(count=count).output) as item:
            part = toy_part(item=item, folder=folder, seconds=1.0, fail=fail)
            part.set_retry(2, backoff_duration="5s", backoff_factor=2, backoff_max_duration="3600s")
            part.set_accelerator_type("nvidia.com/gpu").set_accelerator_limit(1).set_caching_options(False)

    compiler.Compiler().compile(toy, str(tmp_path / "toy.yaml"))
    compiled = yaml_documents(tmp_path / "toy.yaml")
    without, one = ({"toy": parts} for parts in (0, 1))
    nodes = [len(argo_state.workflow(compiled, parts)["status"]["nodes"]) for parts in (without, one)]
    assert nodes[1] - nodes[0] == 12
    assert argo_state.size(compiled, one) - argo_state.size(compiled, without) == pytest.approx(37_000, rel=0.05)
    assert state_size(toy, one) - state_size(toy, without) == pytest.approx(37_000, rel=0.05)


def test_without_docstrings_the_components_do_the_same():
    pipeline = build_pipeline()
    sources = [source(entry) for entry in pipeline.pipeline_spec.deployment_spec["executors"].values()]
    slim(pipeline)
    slimmed = [source(entry) for entry in pipeline.pipeline_spec.deployment_spec["executors"].values()]
    for before, after in zip(sources, slimmed, strict=True):
        whole = ast.parse(before)
        assert ast.get_docstring(whole.body[-1]) and '"""' not in after
        whole.body[-1].body.pop(0)
        assert ast.dump(whole) == ast.dump(ast.parse(after))
    assert not any("description" in str(one) for one in pipeline.pipeline_spec.components.values())
    assert all(part.python_func.__doc__ for both in PARTS.values() for part in both)  # its own spec stays as it is


def source(executor):
    return executor["container"]["command"][-1]
