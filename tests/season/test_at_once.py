"""Two schedules that fire at once on the same store."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from graft.components.common.artifacts.results import Outcome
from graft.components.common.registry.registry import Registry
from graft.components.common.runs.history import read_history
from graft.pipelines.local.sample import draw_sample

pytestmark = pytest.mark.slow

GRAFT = Path(sys.executable).with_name("graft")
CONFIG = {
    "train": {"cut": "mixed0", "image_size": 75, "epochs": 3, "batch_size": 20},
    "gate": {"max_regression": None, "min_accuracy": 0.1},
}


def test_both_come_to_an_end_and_one_of_them_is_the_latest(tmp_path):
    draw_sample(tmp_path / "pictures", images=60)
    store = str(tmp_path / "store")
    command = [GRAFT, "run", "--source", tmp_path / "pictures", "--weights", "random", "--json"]
    command += ["--runs", tmp_path / "runs", "--store", store, "--name", "pets", "--config", json.dumps(CONFIG)]
    both = [subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for _ in range(2)]
    said = [process.communicate() for process in both]
    assert [process.returncode for process in both] == [0, 0], said
    runs = read_history(store, "pets")
    assert [run.outcome for run in runs] == [Outcome.SUCCEEDED] * 2
    digests = {json.loads(out)["dataset"]["digest"] for out, _ in said}
    assert len(digests) == 1
    registry = Registry(store, "pets")
    assert registry.verify() == []
    assert set(registry.versions.finished()) == {run.version for run in runs}
    promoted = [entry.about.version for entry in registry.latest().history]
    assert registry.latest().version == promoted[-1]
    assert set(promoted) == {run.version for run in runs if run.promoted}
