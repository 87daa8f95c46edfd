"""Trainings that are killed, at moments that are worse than others, and go on."""

import dataclasses
import hashlib
import json
import logging
import signal

import pytest
from support import QUICK

from graft.components.common.compute.keras_models import load_model
from graft.components.common.ending import INTERRUPTED
from graft.components.train.fit import callbacks
from graft.components.train.fit.checkpoints import Checkpoints
from graft.components.train.train import train

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("no_page")]

# Ends with a signal to itself: after a step, or when the checkpoint of that step is written, and has yet to get its name.
SCRIPT = """
import json, os, pathlib, sys
from graft.components.common.ending import in_time
from graft.components.train.config import TrainConfig
from graft.components.train.fit import callbacks
from graft.components.train.train import train
dataset, model, store, config, how, step, moment = sys.argv[1:]
callbacks.CHECKPOINT_SECONDS = 0
count = callbacks.BestWeights.on_train_batch_end
def count_and_end(self, batch, logs):
    count(self, batch, logs)
    if moment == "after it" and self.done == int(step):
        os.kill(os.getpid(), int(how))
def end_before_the_name(event, arguments):
    if event == "os.rename" and moment == "in its checkpoint" and f"-{int(step):09}-" in str(arguments[1]):
        os.kill(os.getpid(), int(how))
callbacks.BestWeights.on_train_batch_end = count_and_end
sys.addaudithook(end_before_the_name)
with in_time():
    train(pathlib.Path(dataset), pathlib.Path(model), "random", TrainConfig(**json.loads(config)), store)
"""


@pytest.fixture
def train_and_end(forker, tmp_path):
    """Trains in a process of its own, and returns its exit code."""

    def run(dataset, model, store, config, how, step, moment):
        told = [json.dumps(dataclasses.asdict(config)), int(how), step, moment]
        [(code, _)] = forker.run(tmp_path, SCRIPT, [dataset, model, store, *told])
        return code

    return run


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


LIVE = dataclasses.replace(QUICK, batch_size=4, patience=99, augmentation="live", epochs=3)
UNFROZEN = {"unfreeze": "conv2d_1..activation_1", "unfreeze_epochs": 2, "unfreeze_learning_rate": 1e-5}
THAWED = dataclasses.replace(QUICK, cut="activation_1", batch_size=4, patience=99, epochs=1, **UNFROZEN)


@pytest.fixture
def unbroken(dataset, tmp_path):
    """Trains without being killed, and returns the Model's folder."""

    def run(config):
        train(dataset, tmp_path / "unbroken", "random", config)
        return tmp_path / "unbroken"

    return run


def assert_the_same(killed, unbroken, epochs):
    records = [json.loads((folder / "training.json").read_text()) for folder in (killed, unbroken)]
    assert records[0]["history"] == records[1]["history"]
    assert len(records[0]["history"]) == epochs
    pairs = zip(weights(killed), weights(unbroken), strict=True)
    assert all((one == other).all() for one, other in pairs)


def test_a_killed_training_goes_on_and_ends_with_the_same_weights(dataset, tmp_path, train_and_end, unbroken, caplog):
    """Killed in an epoch's middle before a checkpoint has its name, and told to end in the next epoch's middle."""
    config, store, killed = LIVE, tmp_path / "store", tmp_path / "killed"
    attempt = dataset, killed, store, config
    assert train_and_end(*attempt, signal.SIGKILL, 12, "in its checkpoint") == -signal.SIGKILL
    assert any(killed.iterdir())
    assert reached(store) == (0, 11)
    assert train_and_end(*attempt, signal.SIGTERM, 20, "after it") == INTERRUPTED
    assert not any(killed.iterdir()), "who is told to end tidies up"
    before = reached(store)
    assert before >= (0, 19), "no attempt loses what the one before had"
    assert before[1] % 9, "it is no epoch's end"
    with caplog.at_level(logging.INFO, "graft"):
        train(dataset, killed, "random", config, str(store))
    assert f"goes on after step {before[1]} of an earlier attempt" in caplog.text
    assert_the_same(killed, unbroken(config), config.epochs)
    assert not list((store / "checkpoints").rglob("*.npz")), "checkpoints are removed at the end"


def test_a_phase_of_unfrozen_layers_killed_in_the_middle_of_an_epoch_goes_on_there(
    dataset, tmp_path, unbroken, monkeypatch, caplog
):
    """Kills after a checkpoint that is no epoch's end, with losses that take all steps of the epoch into account."""
    config, store, steps = THAWED, tmp_path / "store", 9 + 5

    class Killed(BaseException):
        pass

    def save_and_die(self, phase, step, checkpoint, save=Checkpoints.save):
        save(self, phase, step, checkpoint)
        if (phase, step) == ("unfrozen layers", steps):
            raise Killed

    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(callbacks, "CHECKPOINT_SECONDS", 0)
        patch.setattr(Checkpoints, "save", save_and_die)
        train(dataset, tmp_path / "killed", "random", config, str(store))
    with caplog.at_level(logging.INFO, "graft"):
        train(dataset, tmp_path / "killed", "random", config, str(store))
    assert f"goes on after step {steps} of an earlier attempt" in caplog.text
    assert_the_same(tmp_path / "killed", unbroken(config), config.epochs + config.unfreeze_epochs)
