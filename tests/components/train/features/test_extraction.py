"""What features depend on, and so the name that they are kept under."""

import dataclasses
from types import SimpleNamespace

import pytest

from graft.components.train.config import TrainConfig
from graft.components.train.features.extraction import kind_of_features

NETWORK = SimpleNamespace(weights_digest="a", precision="float32")


@pytest.mark.parametrize(
    "change",
    [
        {"cut": "mixed1"},
        {"image_size": 80},
        {"head": "flatten-dense"},
        {"scaling": "unit"},
    ],
)
def test_another_cut_size_head_or_scaling_makes_other_features(change):
    config = dataclasses.replace(TrainConfig(), **change)
    assert kind_of_features(config, NETWORK, "plain") != kind_of_features(TrainConfig(), NETWORK, "plain")


@pytest.mark.parametrize("change", [{"weights_digest": "b"}, {"precision": "mixed_float16"}])
def test_other_weights_or_another_precision_make_other_features(change):
    other = SimpleNamespace(**vars(NETWORK) | change)
    assert kind_of_features(TrainConfig(), other, "plain") != kind_of_features(TrainConfig(), NETWORK, "plain")


def test_what_happens_after_the_features_makes_no_others():
    config = dataclasses.replace(TrainConfig(), epochs=1, learning_rate=0.5, seed=9)
    assert kind_of_features(config, NETWORK, "plain") == kind_of_features(TrainConfig(), NETWORK, "plain")
