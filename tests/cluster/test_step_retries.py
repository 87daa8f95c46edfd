"""What Argo makes of the retries that are compiled, on an installation as docs/gke.md mends it and on one as it comes."""

import re

import pytest
import yaml
from argo_retries import MENDED, STOCK, play
from support import ROOT

from graft.components.common.steps import COMPONENTS
from graft.pipelines.cluster.compiling import compile_pipeline
from graft.pipelines.cluster.kubeflow.installation import retry_problem
from graft.pipelines.cluster.profile.fields import Images
from graft.pipelines.cluster.profile.reading import read_profile

HOUR = 3600


def as_config_map(strategy):
    return {"workflowDefaults": yaml.safe_dump({"spec": {"templateDefaults": {"retryStrategy": strategy}}})}


@pytest.fixture(scope="module")
def compiled(tmp_path_factory):
    """The retry policies of the default profile's steps, as they are compiled."""
    path = tmp_path_factory.mktemp("compiled") / "pipeline.yaml"
    compile_pipeline(read_profile(None, "kubeflow"), Images(cpu="graft:cpu", gpu="graft:gpu"), "kubeflow", path)
    spec = next(yaml.safe_load_all(path.read_text()))
    dags = [spec["root"]["dag"], *(one["dag"] for one in spec["components"].values() if "dag" in one)]
    return {name: task.get("retryPolicy") for dag in dags for name, task in dag["tasks"].items() if name in COMPONENTS}


@pytest.mark.parametrize(
    "ends",
    [
        # Attempts of train, whose time-out is 6 hours, that a limit on the pauses ended: none was made, or it was killed.
        [("exit 1", 5 * HOUR), ("succeeded", 5 * HOUR)],
        [("timed out", 6 * HOUR), ("pod lost", 6 * HOUR), ("succeeded", 6 * HOUR)],
        [("out of memory", 10), ("out of memory", 10), ("out of memory", 10)],
    ],
)
def test_every_attempt_of_a_step_may_take_all_its_time(compiled, ends):
    assert play(ends, MENDED, compiled["train"]) == [how for how, _ in ends]


def test_the_gate_decides_once_and_no_part_of_the_pipeline_runs_as_a_whole_again(compiled):
    assert compiled["gate"] is None
    assert play([("exit 1", 5), ("succeeded", 5)], MENDED, compiled["gate"]) == ["exit 1"]
    assert play([("a child failed", 5), ("succeeded", 5)], MENDED) == ["a child failed"]
    assert play([("pod lost", 5), ("succeeded", 5)], MENDED) == ["pod lost", "succeeded"]  # a driver


def test_the_page_s_patch_is_what_mends_it_and_an_installation_as_it_comes_is_told():
    (patch,) = re.findall(r"^cat > retries.yaml <<'EOF'\n(.*?)^EOF$", (ROOT / "docs/gke.md").read_text(), re.M | re.S)
    spec = yaml.safe_load(yaml.safe_load(patch)["data"]["workflowDefaults"])["spec"]
    assert spec["templateDefaults"]["retryStrategy"] == MENDED
    assert retry_problem(as_config_map(MENDED)) == ""
    assert "a step that fails is not tried again" in retry_problem(as_config_map(STOCK))


@pytest.mark.parametrize(
    "strategy",
    [
        STOCK,
        MENDED,
        {},
        {"limit": "0", "retryPolicy": "Always"},
        {"limit": "2", "retryPolicy": "Always"},
        {"limit": "2", "retryPolicy": "OnFailure"},
    ],
)
def test_what_is_told_is_what_argo_does(compiled, strategy):
    step = {how: play([(how, 5), ("succeeded", 5)], strategy, compiled["train"])[-1] for how in ("exit 1", "pod lost")}
    whole = play([("a child failed", 5), ("succeeded", 5)], strategy)[-1]
    right = set(step.values()) == {"succeeded"} and whole == "a child failed"
    assert (retry_problem(as_config_map(strategy)) == "") is right
