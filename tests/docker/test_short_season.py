"""A short season through the docker runner: begin, nothing new, more images."""

import json
import shutil
import subprocess

import pytest
from docker_tools import GRAFT

from graft.components.common.artifacts.results import Outcome
from graft.components.common.registry.registry import Registry
from graft.components.common.runs.history import read_history
from graft.pipelines.local.sample import draw_sample

pytestmark = [pytest.mark.docker, pytest.mark.slow]

CONFIG = {
    "train": {"cut": "mixed0", "image_size": 75, "epochs": 3, "batch_size": 20},
    "gate": {"min_accuracy": 0.1, "max_regression": None},
}
MORE = 6


def test_three_runs(image, tmp_path):
    draw_sample(tmp_path / "pictures", images=60)
    draw_sample(tmp_path / "further", images=60, seed=1)
    store = tmp_path / "runs/store"
    command = [GRAFT, "run", "--runner", "docker", "--network", "none", "--image", image, "--source", "pictures"]
    command += ["--weights", "random", "--json", "--config", json.dumps(CONFIG)]
    for number in range(3):
        if number == 2:
            for path in sorted((tmp_path / "further/train/cats").iterdir())[:MORE]:
                shutil.copy(path, tmp_path / "pictures/train/cats" / f"more-{path.name}")
        result = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert result.returncode == 0, result.stderr
        assert Registry(str(store), "model").verify() == []
    first, second, third = read_history(str(store), "model")
    assert [run.outcome for run in (first, second, third)] == [
        *(Outcome.SUCCEEDED, Outcome.UNCHANGED, Outcome.SUCCEEDED),
    ]
    assert (first.new, first.computed, second.new) == (60, 40, None)
    assert (third.new, third.computed) == (MORE, MORE)
    assert Registry(str(store), "model").latest().version == third.version
