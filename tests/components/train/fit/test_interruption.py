"""Trainings that are killed, at moments drawn by chance, and go on; and one on several devices."""

import dataclasses
import hashlib
import json
import logging
import random
import signal
import subprocess
import sys
import time

import pytest

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
from graft.components.train.train import train
{before}
dataset, model, store, config = sys.argv[1:]
with in_time():
    train(pathlib.Path(dataset), pathlib.Path(model), "random", TrainConfig(**json.loads(config)), store)
"""
ALWAYS = "from graft.components.train.fit import callbacks; callbacks.CHECKPOINT_SECONDS = 0.3"
TWO_DEVICES = """
import tensorflow as tf
(cpu,) = tf.config.list_physical_devices("CPU")
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
"""


def command(before, dataset, model, store, config):
    settings = json.dumps(dataclasses.asdict(config))
    return [sys.executable, "-c", SCRIPT.format(before=before), str(dataset), str(model), str(store), settings]


def kill_once_it_has_come_further(process, folder, known, how):
    """Kills a training at a random moment after it has written a checkpoint that was not there before."""
    while process.poll() is None:
        if {path.name for path in folder.rglob("*.npz")} - known:
            time.sleep(random.Random().uniform(0, 1.5))
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


@pytest.mark.parametrize(
    "changes",
    [
        {"augmentation": "live", "epochs": 40},
        {"epochs": 2, "unfreeze": "conv2d_3..mixed0", "unfreeze_epochs": 40, "unfreeze_learning_rate": 1e-5},
    ],
)
def test_a_killed_training_goes_on_and_ends_with_the_same_weights(dataset, tmp_path, quick, changes, caplog):
    config, store = dataclasses.replace(quick, patience=99, **changes), tmp_path / "store"
    before = (0, 0)
    for how, code in ((signal.SIGKILL, -signal.SIGKILL), (signal.SIGTERM, INTERRUPTED)):
        known = {path.name for path in store.rglob("*.npz")}
        process = subprocess.Popen(command(ALWAYS, dataset, tmp_path / "killed", store, config))
        kill_once_it_has_come_further(process, store, known, how)
        assert process.returncode == code, "the training was over before it could be killed"
        assert any((tmp_path / "killed").iterdir()) == (how is signal.SIGKILL), "who is told to end tidies up"
        assert reached(store) >= before, "no attempt loses what the one before had"
        before = reached(store)
    with caplog.at_level(logging.INFO, "graft"):
        train(dataset, tmp_path / "killed", "random", config, str(store))
    assert before > (0, 0)
    assert f"goes on after step {before[1]} of an earlier attempt" in caplog.text
    train(dataset, tmp_path / "unbroken", "random", config)
    records = [json.loads((tmp_path / name / "training.json").read_text()) for name in ("killed", "unbroken")]
    assert records[0]["history"] == records[1]["history"]
    pairs = zip(weights(tmp_path / "killed"), weights(tmp_path / "unbroken"), strict=True)
    assert all((one == other).all() for one, other in pairs)
    assert not list((store / "checkpoints").rglob("*.npz")), "checkpoints are removed at the end"


def test_a_training_killed_in_the_middle_of_an_epoch_goes_on_there(dataset, tmp_path, quick, monkeypatch, caplog):
    """Kills after a checkpoint that is no epoch's end, with losses that take all steps of the epoch into account."""
    config = dataclasses.replace(quick, augmentation="live", epochs=3, batch_size=4)
    store, steps = tmp_path / "store", 9
    monkeypatch.setattr(callbacks, "CHECKPOINT_SECONDS", 0)

    class Killed(BaseException):
        pass

    def save_and_die(self, phase, step, checkpoint, save=Checkpoints.save):
        save(self, phase, step, checkpoint)
        if step == steps + 5:
            raise Killed

    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(Checkpoints, "save", save_and_die)
        train(dataset, tmp_path / "killed", "random", config, str(store))
    with caplog.at_level(logging.INFO, "graft"):
        train(dataset, tmp_path / "killed", "random", config, str(store))
    assert f"goes on after step {steps + 5} of an earlier attempt" in caplog.text
    train(dataset, tmp_path / "unbroken", "random", config)
    records = [json.loads((tmp_path / name / "training.json").read_text()) for name in ("killed", "unbroken")]
    assert records[0]["history"] == records[1]["history"]
    assert len(records[0]["history"]) == 3


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"augmentation": "live", "unfreeze": "conv2d_3..mixed0", "unfreeze_epochs": 2},
    ],
)
def test_two_devices_do_what_one_does(dataset, tmp_path, quick, changes):
    config = dataclasses.replace(quick, dropout=0.0, **changes)
    script = command(TWO_DEVICES, dataset, tmp_path / "two", "", config)
    done = subprocess.run(script, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    train(dataset, tmp_path / "one", "random", config)
    two, one = (json.loads((tmp_path / name / "training.json").read_text()) for name in ("two", "one"))
    assert (two["devices"]["count"], one["devices"]["count"]) == (2, 1)
    for spread, alone in zip(two["history"], one["history"], strict=True):
        assert spread == pytest.approx(alone, rel=0.02, abs=1e-3)


UNEVEN = """
import numpy as np
from graft.components.common.compute.devices import find_devices
from graft.components.train.config import TrainConfig
from graft.components.train.fit.batches import fetch_vectors, stream_of
{before}
with find_devices().strategy.scope():
    rows = np.arange(33, dtype=np.float32)[:, None]
    stream, steps = stream_of(fetch_vectors(rows), rows, TrainConfig(batch_size=16), 0, 2)
    print([len(inputs) for inputs, _ in stream(0)], steps)
"""


@pytest.mark.parametrize(("before", "sizes"), [("", [16, 16, 1] * 2), (TWO_DEVICES, [16, 16] * 2)])
def test_devices_share_every_batch_evenly(before, sizes):
    code = UNEVEN.format(before=before)
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == f"{sizes} {len(sizes) // 2}"


OVERFLOW = """
import keras, numpy as np
from graft.components.common.compute.devices import find_devices
from graft.components.train.network.loss_scale import LossScale
{before}
strategy = find_devices().strategy
with strategy.scope():
    variable = keras.Variable(np.ones(3, np.float32))
    optimizer = LossScale(keras.optimizers.SGD(1.0), initial_scale=8.0)
    optimizer.build([variable])

@tf.function
def step(place):
    def on_each():
        number = tf.distribute.get_replica_context().replica_id_in_sync_group
        grad = tf.where(tf.equal(number, place), float("inf"), 8.0) * tf.ones(3)
        optimizer.apply([grad], [variable])
    strategy.run(on_each)

for place in (0, 1, -1):
    step(tf.constant(place))
    print(np.asarray(variable).tolist(), float(np.asarray(optimizer.dynamic_scale)))
"""


def test_a_step_is_left_out_wherever_gradients_overflow():
    code = OVERFLOW.format(before=TWO_DEVICES)
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    left_out, again, taken = done.stdout.splitlines()
    assert (left_out, again) == ("[1.0, 1.0, 1.0] 4.0", "[1.0, 1.0, 1.0] 2.0")
    assert taken == "[-7.0, -7.0, -7.0] 2.0", "two devices' gradients of 8, unscaled by 2, at a rate of 1"


def test_a_batch_that_two_devices_can_t_share_is_refused(dataset, tmp_path, quick):
    config = dataclasses.replace(quick, batch_size=15)
    script = command(TWO_DEVICES, dataset, tmp_path / "two", "", config)
    done = subprocess.run(script, check=False, capture_output=True, text=True)
    assert "batch_size 15 can't be shared by 2 GPUs: take a multiple of 2" in done.stderr
