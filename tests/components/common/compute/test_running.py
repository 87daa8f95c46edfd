"""Running networks: batches in flight, filled up, and as large as a GPU's memory takes; GPUs are said to be there."""

import threading
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import numpy as np
import pytest
import tensorflow as tf

from graft.components.common.compute import passes, running
from graft.components.common.compute.passes import Pace, _keep_busy
from graft.components.common.compute.running import images_at_once, on_all_devices, pays_to_compile

GIB = 2**30


@pytest.fixture
def gpu(monkeypatch):
    """Says that there is a GPU of a size."""

    def of(gibibytes):
        monkeypatch.setattr(running, "on_gpus", lambda: True)
        monkeypatch.setattr(running, "gpu_memory", lambda: gibibytes * GIB)

    return of


@pytest.mark.parametrize(
    ("gibibytes", "side", "images"), [(79, 150, 512), (79, 299, 256), (15, 150, 256), (15, 299, 64), (1, 1000, 8)]
)
def test_a_batch_takes_an_eighth_of_a_gpu_s_memory(gpu, gibibytes, side, images):
    gpu(gibibytes)
    assert images_at_once(side**2) == images


def test_cpus_take_small_batches_and_never_compile():
    assert images_at_once(150**2) == images_at_once(299**2) == 32
    assert not pays_to_compile(10**12)


def test_only_a_long_pass_is_compiled(gpu):
    gpu(79)
    assert not pays_to_compile(24_000 * 150**2)
    assert pays_to_compile(1_000_000 * 150**2)


def test_a_smaller_batch_is_filled_up_and_the_rest_left_out():
    sizes = []

    def network(batch, training):
        tf.py_function(lambda count: sizes.append(int(count)), [tf.shape(batch)[0]], [])
        return batch * 2

    run = on_all_devices(network, tf.TensorSpec([None, 1]), size=4)
    batches = [np.ones((count, 1), np.float32) for count in (4, 1)]
    assert [run(batch).tolist() for batch in batches] == [[[2.0]] * 4, [[2.0]]]
    assert sizes == [4, 4]


def numbered(count):
    return tf.data.Dataset.range(count).map(lambda number: (number[None], number[None]))


def test_two_batches_run_at_once_and_keep_their_order():
    both = threading.Barrier(2, timeout=60)

    def run(inputs):
        both.wait()  # for the other one
        return inputs

    with ThreadPoolExecutor(2) as pool:
        outputs = list(_keep_busy(pool, run, numbered(8), pace := Pace()))
    assert [(int(output[0]), int(labels[0])) for output, labels in outputs] == [(number, number) for number in range(8)]
    assert pace.images == 8
    assert 0 <= pace.waited <= pace.seconds


def test_waiting_for_images_is_told_apart_from_computing(monkeypatch):
    """The clock stands still but where the reader or the network takes its time."""
    now = [0.0]
    monkeypatch.setattr(passes, "time", SimpleNamespace(monotonic=lambda: now[0]))
    at_once = SimpleNamespace(submit=lambda function, inputs: Done(function(inputs)))

    class Done:
        def __init__(self, result):
            self.result, self.done = lambda: result, lambda: True

    def read():
        for inputs, labels in numbered(3):
            now[0] += 5
            yield inputs, labels

    def run(inputs):
        now[0] += 2
        return inputs

    list(_keep_busy(at_once, run, read(), pace := Pace()))
    assert (pace.seconds, pace.waited) == (21, 15)


def test_an_error_of_the_reader_comes_through():
    def fail(_):
        raise tf.errors.DataLossError(None, None, "damaged")

    with ThreadPoolExecutor(2) as pool, pytest.raises(tf.errors.DataLossError):
        list(_keep_busy(pool, lambda inputs: inputs, map(fail, range(3)), Pace()))
