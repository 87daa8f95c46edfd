"""What features depend on, and so the name that they are kept under."""

import dataclasses
from types import SimpleNamespace

import numpy as np
import pytest
import tensorflow as tf

from graft.components.common.compute.kept_features import PLAIN, kind_of_features
from graft.components.common.compute.passes import Pace
from graft.components.train.config import TrainConfig
from graft.components.train.features import extraction
from graft.components.train.features.choice import Needed
from graft.components.train.features.extraction import compute_features
from graft.components.train.network.assembly import build_network

NETWORK = {"weights_digest": "a", "precision": "float32"}


def kind(config, **network):
    return kind_of_features(dataclasses.asdict(config), **NETWORK | network, view=PLAIN, cut=config.cut)


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
    assert kind(config) != kind(TrainConfig())


@pytest.mark.parametrize("change", [{"weights_digest": "b"}, {"precision": "mixed_float16"}])
def test_other_weights_or_another_precision_make_other_features(change):
    assert kind(TrainConfig(), **change) != kind(TrainConfig())


def test_what_happens_after_the_features_makes_no_others():
    config = dataclasses.replace(TrainConfig(), epochs=1, learning_rate=0.5, seed=9)
    assert kind(config) == kind(TrainConfig())


@pytest.mark.slow
def test_half_precision_takes_half_the_bytes_and_gives_the_same(monkeypatch):
    config = TrainConfig(cut="mixed0", image_size=75)
    network = build_network(config, None, "mixed_float16")
    images = tf.random.stateless_uniform((4, 75, 75, 3), (0, 0), -1, 1)
    handed = []

    def pass_over(*args, **settings):
        *_, extract, _, _, look = args
        handed.append(tf.stack([look(image, 0) for image in images]))
        yield np.asarray(extract(handed[0], training=False)), None

    monkeypatch.setattr(extraction, "pass_over", pass_over)
    dataset, made = SimpleNamespace(count=lambda split: 4), {}
    rows = np.array([2, 0, 3, 1])
    put = lambda view, columns, numbers, vectors: made.update(zip(rows[numbers], vectors, strict=True))  # noqa: E731
    compute_features(dataset, Needed("train", list("cadb"), rows, [PLAIN]), put, network, config, "", Pace())
    assert handed[0].dtype == tf.float16
    found = np.array([made[row] for row in range(4)])
    np.testing.assert_array_equal(found, network.extractor(images, training=False).numpy().astype(np.float16))
