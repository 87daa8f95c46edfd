"""Training on two devices, which are halves of the CPU in a process of their own."""

import dataclasses
import json
from pathlib import Path

import pytest
from support import QUICK
from two_devices import sizes_of_batches

from graft.components.train.train import train

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("no_page")]

EARLY = dataclasses.replace(QUICK, cut="activation_1", epochs=2, dropout=0.0)
SCRIPT = Path(__file__).with_name("two_devices.py").read_text()


@pytest.fixture
def on_two(forker, tmp_path):
    """Calls a function of the script in a process that has two devices."""

    def call(*words):
        [(code, printed)] = forker.run(tmp_path, SCRIPT, words)
        assert code == 0
        return json.loads(printed)

    return call


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
    assert on_two("train_with", dataset, tmp_path / "two", json.dumps(dataclasses.asdict(config))) is None
    train(dataset, tmp_path / "one", "random", config)
    assert_two_did_what_one_did(tmp_path / "two", tmp_path / "one")


def test_devices_share_every_batch_evenly(on_two):
    assert sizes_of_batches() == ([16, 16, 1] * 2, 3)
    assert on_two("sizes_of_batches") == [[16, 16] * 2, 2]


def test_a_step_is_left_out_wherever_gradients_overflow(on_two):
    left_out, again, taken = on_two("steps_with_an_overflow")
    assert (left_out, again) == ([[1.0, 1.0, 1.0], 4.0], [[1.0, 1.0, 1.0], 2.0])
    assert taken == [[-7.0, -7.0, -7.0], 2.0], "two devices' gradients of 8, unscaled by 2, at a rate of 1"


def test_a_batch_that_two_devices_can_t_share_is_refused(dataset, tmp_path, on_two):
    config = json.dumps(dataclasses.asdict(dataclasses.replace(EARLY, batch_size=15)))
    refused = on_two("train_with", dataset, tmp_path / "two", config)
    assert "batch_size 15 can't be shared by 2 GPUs: take a multiple of 2" in refused
