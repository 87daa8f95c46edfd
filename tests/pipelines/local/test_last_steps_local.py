"""The whole pipeline with its last steps, placed for a cluster and run here: what was promoted gets into traffic, and nothing else does.

A target changes where steps run, never what they do, and a cluster may run every step again under the same run, as where a pod is lost
after its work was done.
"""

import dataclasses
import json
import shutil
from types import SimpleNamespace

import pytest
from kfp import local
from web import web_server

from graft.components.common import storage
from graft.components.common.artifacts.outcomes.results import Outcome
from graft.components.common.registry.registry import Registry
from graft.components.common.runs.history import read_history
from graft.components.common.runs.run import Run
from graft.components.common.runs.step_record import read_run
from graft.components.common.runs.verdict import judge
from graft.components.deploy.component import deploy
from graft.pipelines.cluster.profile.fields import Images
from graft.pipelines.cluster.profile.placement import Placement
from graft.pipelines.cluster.profile.reading import read_profile
from graft.pipelines.local.sample import draw_sample
from graft.pipelines.local.step_host.launch import step_host
from graft.pipelines.training import Deployment, build_pipeline

# kfp.local warns of limits and accelerators that it leaves aside.
pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]

QUICK = {"cut": "activation", "image_size": 75, "epochs": 1, "batch_size": 16}
IMAGES = Images(cpu="registry.example/graft@sha256:" + "0" * 64, gpu="registry.example/graft@sha256:" + "1" * 64)
MIRROR = json.dumps({"to": "http://127.0.0.1:9"})  # which is down


@pytest.fixture(scope="module")
def played(tmp_path_factory):
    """What became of four runs of a store: the first one, all of it again, one that the gate refuses, and one that can't deploy."""
    folder = tmp_path_factory.mktemp("played")
    store, served, seen = str(folder / "store"), folder / "served", {}
    registry = Registry(store, "drawn")
    draw_sample(folder / "pictures", 60)

    def run(run_id, min_accuracy):
        # What the steps of Vertex are told is the run's whole resource name.
        told_run = f"projects/p/locations/l/pipelineJobs/{run_id}"
        last_steps = {"deploy": json.dumps({"to": str(served)}), "mirror": MIRROR}
        around = Deployment(run_id=told_run, link="https://cluster.example/{run}", **last_steps)
        build_pipeline(Placement(read_profile(None, "vertex"), IMAGES, "vertex"), around)(
            source=str(folder / "pictures"),
            weights="random",
            recipe="sample",
            config=json.dumps({"gate": {"min_accuracy": min_accuracy}, "train": QUICK}),
            store=store,
            name="drawn",
        )

    def note(name, run_id):
        records = read_run(Run(store, "drawn", run_id))
        seen[name] = SimpleNamespace(
            records=records,
            verdict=judge(records),
            latest=registry.latest(),
            versions={file.path for file in storage.list(f"{store}/models/drawn/versions")},
            served={path.relative_to(served).as_posix() for path in served.rglob("*")},
            told=[json.loads(request[3]) for request in web.asked],
        )

    local.init(local.SubprocessRunner(use_venv=False), pipeline_root=str(folder / "root"), raise_on_error=False)
    with web_server() as web, pytest.MonkeyPatch.context() as patch:
        patch.setenv("GRAFT_WEBHOOK", web.url)
        with step_host() as host, host.forks_steps():
            for name in ("first", "again"):
                run("first", 0.01)
                note(name, "first")
            shutil.rmtree(served)
            run("second", 0.999)
            note("second", "second")
            # A run that came as far as export, and can't deploy.
            served.write_text("a file is in the way")
            shutil.copytree(Run(store, "drawn", "first").folder, Run(store, "drawn", "third").folder)
            for step in ("deploy", "mirror"):
                (folder / f"store/models/drawn/runs/third/{step}.json").unlink()
            note("not deployed", "third")
            deploy(config=json.dumps({"to": str(served)}), store=store, name="drawn", run_id="third")
            note("third", "third")
    seen["history"] = read_history(store, "drawn")
    return SimpleNamespace(**{name.replace(" ", "_"): found for name, found in seen.items()})


def test_a_placed_pipeline_runs_locally_and_tells_its_end(played):
    first, (told,) = played.first, played.first.told
    assert first.verdict.outcome is Outcome.SUCCEEDED, first.verdict.reason
    assert (told["outcome"], told["name"], told["link"]) == ("succeeded", "drawn", "https://cluster.example/first")
    assert told["accuracy"] == first.verdict.accuracy
    assert {path.partition("/")[0] for path in first.versions} == {first.latest.version}


def test_it_does_no_more_when_all_of_it_runs_again(played):
    first, again = played.first, played.again
    served = again.records.deploy.summary
    assert f"already gives 100% of its traffic to version {first.latest.version[:12]}" in served

    def as_before(text):
        return text.replace(served, first.records.deploy.summary)

    assert dataclasses.replace(again.verdict, reason=as_before(again.verdict.reason)) == first.verdict
    assert (again.versions, again.latest, again.served) == (first.versions, first.latest, first.served)
    (told,), (same, more) = first.told, again.told
    assert same == told == {name: as_before(said) if isinstance(said, str) else said for name, said in more.items()}


def test_a_promoted_version_gets_into_traffic(played):
    first = played.first
    assert (first.records.deploy.outcome.version, first.records.deploy.outcome.percent) == (first.latest.version, 100)
    assert "drawn/1/saved_model.pb" in first.served


def test_a_mirror_that_is_down_fails_no_run(played):
    assert played.first.records.mirror.outcome.problem
    assert "; mirror: not mirrored, the next run catches up: " in played.first.verdict.reason


def test_a_refused_version_gets_nowhere(played):
    second = played.second
    assert (second.verdict.outcome, second.latest.version) == (Outcome.GATE_FAILED, played.first.latest.version)
    assert second.records.last_steps == ("deploy", "mirror")
    assert second.records.deploy is second.records.mirror is None and not second.served


def test_a_deployment_that_fails_is_the_run_s_failure(played):
    assert played.not_deployed.verdict.reason.startswith("deploy: left no record")
    records, verdict = played.third.records, played.third.verdict
    assert (verdict.outcome, records.deploy.status) == (Outcome.FAILED, "failed")
    assert verdict.reason == (
        f"deploy: {records.deploy.summary.rstrip('.')}. "
        f"Version {played.first.latest.version[:12]} was promoted all the same."
    )
    outcomes = {run.run: (run.outcome, run.promoted) for run in played.history}
    assert outcomes == {"first": ("succeeded", True), "second": ("gate failed", None), "third": ("failed", True)}
