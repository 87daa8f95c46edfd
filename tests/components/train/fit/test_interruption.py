"""Trainings that are killed, at moments drawn by chance, and go on."""

import dataclasses
import functools
import hashlib
import json
import logging
import random
import signal
import subprocess
import sys
import time

import pytest
from support import QUICK

from graft.components.common.compute.keras_models import load_model
from graft.components.common.ending import INTERRUPTED
from graft.components.train.fit import callbacks
from graft.components.train.fit.checkpoints import Checkpoints
from graft.components.train.train import train

pytestmark = pytest.mark.slow

SCRIPT = """
import json, pathlib, sys
from graft.components.common.ending import in_time
from graft.components.train.config import TrainConfig
from graft.components.train.fit import callbacks
from graft.components.train.train import train
callbacks.CHECKPOINT_SECONDS = 0.3
dataset, model, store, config = sys.argv[1:]
with in_time():
    train(pathlib.Path(dataset), pathlib.Path(model), "random", TrainConfig(**json.loads(config)), store)
"""


def command(dataset, model, store, config):
    return [sys.executable, "-c", SCRIPT, str(dataset), str(model), str(store), json.dumps(dataclasses.asdict(config))]


def kill_once_it_has_come_further(process, folder, known, how):
    """Kills a training at a random moment after it has written a checkpoint that was not there before."""
    while process.poll() is None:
        if {path.name for path in folder.rglob("*.npz")} - known:
            time.sleep(random.Random().uniform(0, 0.3))
            process.send_signal(how)
            break
        time.sleep(0.02)
    process.wait()


def reached(store):
    """Returns how far the checkpoints reach that are whole: 1 in the phase after the head's, and the steps done in it."""
    found = [(0, 0)]
    for path in store.rglob("*.npz"):
        phase, steps, digest = path.stem.rsplit("-", 2)
        if hashlib.sha256(path.read_bytes()).hexdigest() == digest:
            found.append((int(phase != "head"), int(steps)))
    return max(found)


def weights(model):
    return [weight.numpy() for weight in load_model(model).weights]


LIVE = dataclasses.replace(QUICK, batch_size=4, patience=99, augmentation="live", epochs=16)
UNFROZEN = {"unfreeze": "conv2d_3..mixed0", "unfreeze_epochs": 3, "unfreeze_learning_rate": 1e-5}
THAWED = dataclasses.replace(QUICK, batch_size=4, patience=99, epochs=1, **UNFROZEN)


@pytest.fixture(scope="module")
def unbroken(dataset, tmp_path_factory):
    """Trains without being killed, once by each config, and returns the Model's folder."""

    @functools.cache
    def run(config):
        folder = tmp_path_factory.mktemp("unbroken") / "model"
        train(dataset, folder, "random", config)
        return folder

    return run


def assert_the_same(killed, unbroken):
    records = [json.loads((folder / "training.json").read_text()) for folder in (killed, unbroken)]
    assert records[0]["history"] == records[1]["history"]
    pairs = zip(weights(killed), weights(unbroken), strict=True)
    assert all((one == other).all() for one, other in pairs)


def test_a_killed_training_goes_on_and_ends_with_the_same_weights(dataset, tmp_path, unbroken, caplog):
    config, store = LIVE, tmp_path / "store"
    before = (0, 0)
    for how in (signal.SIGKILL, signal.SIGTERM):
        known = {path.name for path in store.rglob("*.npz")}
        process = subprocess.Popen(command(dataset, tmp_path / "killed", store, config))
        kill_once_it_has_come_further(process, store, known, how)
        assert process.returncode == (INTERRUPTED if how is signal.SIGTERM else -how), (
            "the training was over before it could be killed"
        )
        assert any((tmp_path / "killed").iterdir()) == (how is signal.SIGKILL), "who is told to end tidies up"
        assert reached(store) >= before, "no attempt loses what the one before had"
        before = reached(store)
    with caplog.at_level(logging.INFO, "graft"):
        train(dataset, tmp_path / "killed", "random", config, str(store))
    assert before > (0, 0)
    assert f"goes on after step {before[1]} of an earlier attempt" in caplog.text
    assert_the_same(tmp_path / "killed", unbroken(config))
    assert not list((store / "checkpoints").rglob("*.npz")), "checkpoints are removed at the end"


@pytest.mark.parametrize(("config", "steps"), [(LIVE, 9 + 5), (THAWED, 9 + 5)])
def test_a_training_killed_in_the_middle_of_an_epoch_goes_on_there(
    dataset, tmp_path, unbroken, config, steps, monkeypatch, caplog
):
    """Kills after a checkpoint that is no epoch's end, with losses that take all steps of the epoch into account."""
    store, phase_killed = tmp_path / "store", "unfrozen layers" if config.unfreeze else "head"

    class Killed(BaseException):
        pass

    def save_and_die(self, phase, step, checkpoint, save=Checkpoints.save):
        save(self, phase, step, checkpoint)
        if (phase, step) == (phase_killed, steps):
            raise Killed

    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(callbacks, "CHECKPOINT_SECONDS", 0)
        patch.setattr(Checkpoints, "save", save_and_die)
        train(dataset, tmp_path / "killed", "random", config, str(store))
    with caplog.at_level(logging.INFO, "graft"):
        train(dataset, tmp_path / "killed", "random", config, str(store))
    assert f"goes on after step {steps} of an earlier attempt" in caplog.text
    assert_the_same(tmp_path / "killed", unbroken(config))
    history = json.loads((tmp_path / "killed" / "training.json").read_text())["history"]
    assert len(history) == config.epochs + (config.unfreeze_epochs if config.unfreeze else 0)
