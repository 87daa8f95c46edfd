"""What is placed for a cluster runs as it is on the local runner: a target changes where steps run, never what they do."""

import json

import pytest
from kfp import local
from web import web_server

from graft.components.common.artifacts.results import Outcome
from graft.components.common.runs.step_record import Run, read_run
from graft.components.common.runs.verdict import judge
from graft.pipelines.cluster.profile.fields import Images
from graft.pipelines.cluster.profile.placement import Placement
from graft.pipelines.cluster.profile.reading import read_profile
from graft.pipelines.local.sample import draw_sample
from graft.pipelines.training import Deployment, build_pipeline

IMAGES = Images(cpu="registry.example/graft@sha256:" + "0" * 64, gpu="registry.example/graft@sha256:" + "1" * 64)


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pictures") / "drawn"
    draw_sample(folder, 60)
    return folder


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # kfp.local warns of limits and accelerators that it leaves aside
@pytest.mark.parametrize(
    ("target", "wanted", "end"),
    [("kubeflow", 0.01, Outcome.SUCCEEDED), ("vertex", 0.999, Outcome.GATE_FAILED)],
)
def test_a_placed_pipeline_runs_locally_with_unchanged_logic_and_tells_its_end(
    tmp_path, pictures, target, wanted, end, monkeypatch
):
    run = Run(str(tmp_path / "store"), "drawn", f"run-{target}")
    # What the steps of Vertex are told is the run's whole resource name.
    told_run = f"projects/p/locations/l/pipelineJobs/{run.run_id}" if target == "vertex" else run.run_id
    place = Placement(read_profile(None, target), IMAGES, target)
    local.init(local.SubprocessRunner(use_venv=False), pipeline_root=str(tmp_path / "root"), raise_on_error=False)
    quick = {"cut": "mixed0", "image_size": 75, "epochs": 3, "batch_size": 16}
    settings = {"gate": {"min_accuracy": wanted}, "train": quick}
    around = Deployment(run_id=told_run, link="https://cluster.example/{run}")
    with web_server() as web:
        monkeypatch.setenv("GRAFT_WEBHOOK", web.url)
        build_pipeline(place, around)(
            source=str(pictures),
            weights="random",
            recipe="sample",
            config=json.dumps(settings),
            store=run.store,
            name=run.name,
        )
    (request,) = web.asked
    told = json.loads(request[3])
    assert (told["outcome"], told["name"], told["link"]) == (
        end.value,
        "drawn",
        f"https://cluster.example/{run.run_id}",
    )
    verdict = judge(read_run(run))
    assert verdict.outcome is end, verdict.reason
    assert told["accuracy"] == verdict.accuracy
    assert verdict.accuracy == pytest.approx(accuracies.setdefault("both", verdict.accuracy))


accuracies = {}
