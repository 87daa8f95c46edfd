"""Passing a split's images through a network, several batches at a time."""

import threading

import numpy as np
import pytest

from graft.components.common.artifacts.dataset import TRAIN, Dataset
from graft.components.common.compute import passes
from graft.components.common.compute.passes import pass_over, read_images
from graft.components.common.compute.tensorflow import import_tensorflow
from graft.components.train.network.preprocessing import build_preprocessing

SIZE, BATCH, IMAGES = 32, 4, 40


@pytest.fixture
def preprocessing():
    return build_preprocessing(SIZE)


@pytest.fixture
def batches(monkeypatch):
    """Small ones; returns what each call of the network got, in the order of the calls."""
    monkeypatch.setattr(passes, "images_at_once", lambda pixels: BATCH)

    def use(call):
        monkeypatch.setattr(passes, "on_all_devices", lambda network, inputs, **how: call)

    return use


def test_outputs_come_in_the_order_of_the_index_though_a_later_batch_is_done_first(dataset, preprocessing, batches):
    data, second_is_done, calls = Dataset.load(dataset), threading.Event(), iter(range(IMAGES))

    def means(inputs):
        if next(calls) == 0:
            assert second_is_done.wait(30), "the first batch was waited for"
        else:
            second_is_done.set()
        return inputs.numpy().mean(axis=(1, 2, 3))

    batches(means)
    found = list(pass_over("looking", data, TRAIN, preprocessing, None))
    expected = [(image.numpy().mean(), label.numpy()) for image, label in read_images(data, TRAIN, None, preprocessing)]
    assert [len(outputs) for outputs, _ in found] == [BATCH] * (IMAGES // BATCH)
    np.testing.assert_allclose(np.concatenate([outputs for outputs, _ in found]), [mean for mean, _ in expected])
    np.testing.assert_array_equal(np.concatenate([labels for _, labels in found]), [label for _, label in expected])


def test_an_error_of_the_network_ends_the_pass_with_it(dataset, preprocessing, batches):
    tf, calls = import_tensorflow(), iter(range(IMAGES))

    def fail(inputs):
        if next(calls) == 3:
            raise tf.errors.ResourceExhaustedError(None, None, "no memory left")
        return inputs.numpy()

    batches(fail)
    with pytest.raises(tf.errors.ResourceExhaustedError, match="no memory left"):
        list(pass_over("looking", Dataset.load(dataset), TRAIN, preprocessing, None))
