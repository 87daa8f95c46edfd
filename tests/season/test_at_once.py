"""Two schedules that fire at once on the same store."""

import importlib
import json
import multiprocessing
import sys

import pytest
from in_process import run_in_process

from graft.components.common.artifacts.outcomes.results import Outcome
from graft.components.common.compute.tensorflow import load_tensorflow
from graft.components.common.parameters import Parameters
from graft.components.common.registry.registry import Registry
from graft.components.common.runs.history import read_history
from graft.components.common.runs.step_record import read_run
from graft.pipelines.local.running import new_run
from graft.pipelines.local.sample import draw_sample

pytestmark = pytest.mark.slow

CONFIG = {
    "train": {"cut": "activation", "image_size": 75, "epochs": 3, "batch_size": 20},
    "gate": {"max_regression": None, "min_accuracy": 0.1},
}
# Not before Keras, which would import them on its own account.
IMPORTED = ("graft.components.train.network.assembly", "matplotlib.figure", "scipy.stats", "sklearn.metrics")


def fork_both(both, parameters):
    """Plays two runs at once in forks of this process, which has imported what takes them seconds, as the step host does."""
    load_tensorflow()
    for module in IMPORTED:
        importlib.import_module(module)
    fork = multiprocessing.get_context("fork")
    processes = [fork.Process(target=run_in_process, args=(run, folder, parameters)) for run, folder in both]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    sys.exit([process.exitcode for process in processes] != [0, 0])


def test_both_come_to_an_end_and_one_of_them_is_the_latest(tmp_path):
    draw_sample(tmp_path / "pictures", images=60)
    store = str(tmp_path / "store")
    parameters = Parameters(str(tmp_path / "pictures"), "random", config=json.dumps(CONFIG), store=store, name="pets")
    both = [new_run(tmp_path / "runs", store, "pets") for _ in range(2)]
    spawned = multiprocessing.get_context("spawn").Process(target=fork_both, args=(both, parameters))
    spawned.start()
    spawned.join()
    assert spawned.exitcode == 0
    runs = read_history(store, "pets")
    assert [run.outcome for run in runs] == [Outcome.SUCCEEDED] * 2
    digests = {read_run(run).ingest.outcome.digest for run, _ in both}
    assert len(digests) == 1
    registry = Registry(store, "pets")
    assert registry.verify() == []
    assert set(registry.versions.finished()) == {run.version for run in runs}
    promoted = [entry.about.version for entry in registry.latest().history]
    assert registry.latest().version == promoted[-1]
    assert set(promoted) == {run.version for run in runs if run.promoted}
