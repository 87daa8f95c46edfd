"""Training on two devices, which are halves of the CPU in a process of their own."""

import contextlib
import dataclasses
import json
import multiprocessing
from concurrent.futures import ProcessPoolExecutor

import keras
import numpy as np
import pytest
import tensorflow as tf
from support import QUICK

from graft.components.common.compute.devices import find_devices
from graft.components.common.errors import GraftError
from graft.components.train.config import TrainConfig
from graft.components.train.fit.batches import fetch_vectors, stream_of
from graft.components.train.network.loss_scale import LossScale
from graft.components.train.train import train

pytestmark = pytest.mark.slow

# All trainings have as many features: TensorFlow's devices exchange sums of one shape only in a process.
EARLY = dataclasses.replace(QUICK, cut="activation_1", epochs=2, dropout=0.0)


def halve_the_cpu():
    (cpu,) = tf.config.list_physical_devices("CPU")
    tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)


@contextlib.contextmanager
def two_devices():
    """Yields what calls a function in a process that has two devices."""
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=spawn, initializer=halve_the_cpu) as process:
        yield lambda function, *arguments: process.submit(function, *arguments).result()


@pytest.fixture(scope="module")
def on_two():
    """One such process for several tests."""
    with two_devices() as call:
        yield call


def assert_two_did_what_one_did(two, one):
    two, one = (json.loads((folder / "training.json").read_text()) for folder in (two, one))
    assert (two["devices"]["count"], one["devices"]["count"]) == (2, 1)
    for spread, alone in zip(two["history"], one["history"], strict=True):
        assert spread == pytest.approx(alone, rel=0.02, abs=1e-3)


@pytest.mark.parametrize(
    "changes",
    [
        {"unfreeze": "conv2d_1..activation_1", "unfreeze_learning_rate": 1e-5, "unfreeze_epochs": 2, "patience": 9},
        {"augmentation": "live"},
    ],
    ids=["unfreezing", "augmenting"],
)
def test_two_devices_train_as_one_does(dataset, tmp_path, on_two, changes):
    config = dataclasses.replace(EARLY, **changes)
    on_two(train, dataset, tmp_path / "two", "random", config)
    train(dataset, tmp_path / "one", "random", config)
    assert_two_did_what_one_did(tmp_path / "two", tmp_path / "one")


def sizes_of_batches():
    with find_devices().strategy.scope():
        rows = np.arange(33, dtype=np.float32)[:, None]
        stream, steps = stream_of(fetch_vectors(rows), rows, TrainConfig(batch_size=16), 0, 2)
        return [len(inputs) for inputs, _ in stream(0)], steps


def test_devices_share_every_batch_evenly(on_two):
    assert sizes_of_batches() == ([16, 16, 1] * 2, 3)
    assert on_two(sizes_of_batches) == ([16, 16] * 2, 2)


def steps_with_an_overflow():
    """Takes a step with an overflow on either device and one without, and returns the variable and the loss's scale after each."""
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

    found = []
    for place in (0, 1, -1):
        step(tf.constant(place))
        found.append((np.asarray(variable).tolist(), float(np.asarray(optimizer.dynamic_scale))))
    return found


def test_a_step_is_left_out_wherever_gradients_overflow():
    # In a process of its own: TensorFlow numbers the sums over devices by process, and other strategies' have other shapes.
    with two_devices() as call:
        left_out, again, taken = call(steps_with_an_overflow)
    assert (left_out, again) == (([1.0, 1.0, 1.0], 4.0), ([1.0, 1.0, 1.0], 2.0))
    assert taken == ([-7.0, -7.0, -7.0], 2.0), "two devices' gradients of 8, unscaled by 2, at a rate of 1"


def test_a_batch_that_two_devices_can_t_share_is_refused(dataset, tmp_path, on_two):
    with pytest.raises(GraftError, match="batch_size 15 can't be shared by 2 GPUs: take a multiple of 2"):
        on_two(train, dataset, tmp_path / "two", "random", dataclasses.replace(EARLY, batch_size=15))
