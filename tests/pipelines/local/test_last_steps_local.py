"""The whole pipeline with its last steps, in a process a step: what was promoted gets into traffic, and nothing else does."""

import json
import shutil

import pytest
from kfp import local

from graft.components.common.artifacts.results import Outcome
from graft.components.common.registry.registry import Registry
from graft.components.common.runs.history import read_history
from graft.components.common.runs.run import Run
from graft.components.common.runs.step_record import read_run
from graft.components.common.runs.verdict import judge
from graft.components.deploy.component import deploy
from graft.pipelines.local.sample import draw_sample
from graft.pipelines.local.step_host.launch import step_host
from graft.pipelines.training import IMAGE, Deployment, build_pipeline, on_image

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]  # kfp.local's own

QUICK = {"cut": "mixed0", "image_size": 75, "epochs": 1, "batch_size": 16}
MIRROR = json.dumps({"to": "http://127.0.0.1:9"})  # which is down


def test_a_promoted_version_gets_into_traffic_a_refused_one_does_not_and_a_deployment_that_fails_is_the_run_s(tmp_path):
    store, served = str(tmp_path / "store"), tmp_path / "served"
    registry = Registry(store, "drawn")
    draw_sample(tmp_path / "pictures", 60)

    def run(run_id, min_accuracy):
        around = Deployment(run_id=run_id, deploy=json.dumps({"to": str(served)}), mirror=MIRROR)
        build_pipeline(on_image(IMAGE), around)(
            source=str(tmp_path / "pictures"),
            weights="random",
            recipe="sample",
            config=json.dumps({"gate": {"min_accuracy": min_accuracy}, "train": QUICK}),
            store=store,
            name="drawn",
        )
        return ended(run_id)

    def ended(run_id):
        records = read_run(Run(store, "drawn", run_id))
        return records, judge(records)

    runner, root = local.SubprocessRunner(use_venv=False), str(tmp_path / "root")
    local.init(runner, pipeline_root=root, raise_on_error=False)
    with step_host() as host, host.forks_steps():
        records, verdict = run("first", 0.01)
        version = registry.latest().version
        assert verdict.outcome is Outcome.SUCCEEDED, verdict.reason
        assert (records.deploy.outcome.version, records.deploy.outcome.percent) == (version, 100)
        assert (served / "drawn" / "1" / "saved_model.pb").is_file()
        # A mirror that is down fails no run.
        assert records.mirror.outcome.problem and "; mirror: not mirrored, the next run catches up: " in verdict.reason

        shutil.rmtree(served)
        records, verdict = run("second", 0.999)
        assert (verdict.outcome, registry.latest().version) == (Outcome.GATE_FAILED, version)
        assert records.last_steps == ("deploy", "mirror")
        assert records.deploy is records.mirror is None and not served.exists()

        # A run that came as far as export, and can't deploy.
        served.write_text("a file is in the way")
        shutil.copytree(Run(store, "drawn", "first").folder, Run(store, "drawn", "third").folder)
        for step in ("deploy", "mirror"):
            (tmp_path / f"store/models/drawn/runs/third/{step}.json").unlink()
        assert ended("third")[1].reason.startswith("deploy: left no record")
        deploy(config=json.dumps({"to": str(served)}), store=store, name="drawn", run_id="third")
    records, verdict = ended("third")
    assert (verdict.outcome, records.deploy.status) == (Outcome.FAILED, "failed")
    assert (
        verdict.reason
        == f"deploy: {records.deploy.summary.rstrip('.')}. Version {version[:12]} was promoted all the same."
    )
    outcomes = {run.run: (run.outcome, run.promoted) for run in read_history(store, "drawn")}
    assert outcomes == {"first": ("succeeded", True), "second": ("gate failed", None), "third": ("failed", True)}
