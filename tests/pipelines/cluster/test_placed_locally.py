"""What is placed for a cluster runs as it is on the local runner: a target changes where steps run, never what they do."""

import json

import pytest
import yaml
from kfp import compiler, local
from web import web_server

from graft.components.common import storage
from graft.components.common.artifacts.results import Outcome
from graft.components.common.registry.registry import Registry
from graft.components.common.runs.run import Run
from graft.components.common.runs.step_record import read_run
from graft.components.common.runs.verdict import judge
from graft.pipelines.cluster.profile.fields import Images
from graft.pipelines.cluster.profile.placement import Placement
from graft.pipelines.cluster.profile.reading import read_profile
from graft.pipelines.local.sample import draw_sample
from graft.pipelines.training import Deployment, build_pipeline

IMAGES = Images(cpu="registry.example/graft@sha256:" + "0" * 64, gpu="registry.example/graft@sha256:" + "1" * 64)


def place(target):
    return Placement(read_profile(None, target), IMAGES, target)


def logic(pipeline, path):
    """What a compiled pipeline does, without where: the command of each step, and where its inputs come from."""
    compiler.Compiler().compile(pipeline, str(path))
    spec = next(yaml.safe_load_all(path.read_text()))
    commands = {
        name: [entry["container"][part] for part in ("command", "args")]
        for name, entry in spec["deploymentSpec"]["executors"].items()
    }
    dags = [spec["root"]["dag"], *(one["dag"] for one in spec["components"].values() if "dag" in one)]
    tasks = {name: task for dag in dags for name, task in dag["tasks"].items()}
    kept = ("componentRef", "inputs", "dependentTasks", "triggerPolicy")
    return commands, {name: {key: task.get(key) for key in kept} for name, task in tasks.items()}


@pytest.mark.parametrize("target", ["kubeflow", "vertex"])
def test_a_target_changes_nothing_of_what_is_done(tmp_path, target):
    commands, tasks = logic(build_pipeline(place(target)), tmp_path / "placed.yaml")
    assert len(commands) == 7 and {"train", "export", "notify"} <= tasks.keys()
    assert (commands, tasks) == logic(build_pipeline(), tmp_path / "plain.yaml")


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # kfp.local warns of limits and accelerators that it leaves aside
def test_a_placed_pipeline_runs_locally_tells_its_end_and_does_no_more_when_all_of_it_runs_again(tmp_path, monkeypatch):
    """A cluster may run every step again under the same run, as where a pod is lost after its work was done."""
    draw_sample(tmp_path / "pictures", 60)
    run = Run(str(tmp_path / "store"), "drawn", "run-vertex")
    local.init(local.SubprocessRunner(use_venv=False), pipeline_root=str(tmp_path / "root"), raise_on_error=False)
    quick = {"cut": "mixed0", "image_size": 75, "epochs": 1, "batch_size": 16}
    settings = {"gate": {"min_accuracy": 0.01}, "train": quick}
    # What the steps of Vertex are told is the run's whole resource name.
    told_run = f"projects/p/locations/l/pipelineJobs/{run.run_id}"
    around = Deployment(run_id=told_run, link="https://cluster.example/{run}")
    pipeline = build_pipeline(place("vertex"), around)
    registry, seen = Registry(run.store, run.name), []
    with web_server() as web:
        monkeypatch.setenv("GRAFT_WEBHOOK", web.url)
        for _ in range(2):
            pipeline(
                source=str(tmp_path / "pictures"),
                weights="random",
                recipe="sample",
                config=json.dumps(settings),
                store=run.store,
                name=run.name,
            )
            files = {file.path for file in storage.list(f"{run.store}/models/{run.name}/versions")}
            seen.append((judge(read_run(run)), files, registry.latest()))
    told, again = (json.loads(request[3]) for request in web.asked)
    assert (told["outcome"], told["name"], told["link"]) == (
        "succeeded",
        "drawn",
        f"https://cluster.example/{run.run_id}",
    )
    verdict, files, latest = seen[0]
    assert verdict.outcome is Outcome.SUCCEEDED, verdict.reason
    assert told["accuracy"] == verdict.accuracy
    assert {path.partition("/")[0] for path in files} == {latest.version}
    assert seen[1] == seen[0]
    assert again == told
