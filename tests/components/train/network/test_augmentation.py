"""Augmentation: seeded, and doing what its settings say."""

import dataclasses

import numpy as np
import pytest

from graft.components.common.compute.tensorflow import import_tensorflow
from graft.components.train.config import TrainConfig
from graft.components.train.network import augmentation
from graft.components.train.network.augmentation import build_augmentation, live_augmentation

NONE = TrainConfig(flip=False, rotation=0, shift=0, shear=0, zoom=0)
ALL = TrainConfig(rotation=40, shift=0.2, shear=20, zoom=0.2)


@pytest.fixture(scope="module")
def images():
    import_tensorflow()
    return np.random.default_rng(0).uniform(-1, 1, (8, 40, 40, 3)).astype(np.float32)


def run(config, images, seed=(0, 0)):
    return np.asarray(build_augmentation(config)(images, list(seed)))


def test_the_seed_alone_decides(images):
    first = run(ALL, images, (3, 7))
    assert first.shape == images.shape
    assert (run(ALL, images, (3, 7)) == first).all()
    assert (run(ALL, images, (3, 8)) != first).any()
    assert (run(ALL, images, (4, 7)) != first).any()


def test_a_pipeline_and_a_direct_call_give_the_same(images):
    tf = import_tensorflow()
    augment = build_augmentation(ALL)
    dataset = tf.data.Dataset.from_tensors(images).map(lambda batch: augment(batch, tf.constant([3, 7], tf.int64)))
    (mapped,) = dataset
    assert np.asarray(mapped) == pytest.approx(run(ALL, images, (3, 7)), abs=1e-5)


def test_a_gpu_changes_the_images_that_pass_at_every_step_by_what_the_cpu_draws(images, monkeypatch):
    """Without a GPU TensorFlow has the CPU do what asks for one, and the graph holds what asks."""
    tf = import_tensorflow()
    config = dataclasses.replace(ALL, augmentation="live")

    def traced():
        augment = live_augmentation(config)
        mapped = tf.data.Dataset.from_tensors(images).map(lambda batch: augment(batch, tf.constant([3, 7], tf.int64)))
        graph = tf.function(augment).get_concrete_function(images, tf.constant([3, 7], tf.int64)).graph
        asking = [(operation.type, operation.device) for operation in graph.get_operations()]
        return np.asarray(next(iter(mapped))), asking

    alone, nobody = traced()
    assert {device for _, device in nobody} == {""}
    monkeypatch.setattr(augmentation, "on_gpus", lambda: True)
    changed, asking = traced()
    on_gpu = "/device:GPU:0"
    assert [device for kind, device in asking if kind == "ImageProjectiveTransformV3"] == 4 * [on_gpu]
    assert [device for kind, device in asking if kind == "ReverseV2"] == [on_gpu]
    assert {device for kind, device in asking if kind.startswith("StatelessRandom")} == {""}
    assert (changed == alone).all()


def test_without_settings_nothing_changes(images):
    assert (run(NONE, images) == images).all()


@pytest.mark.parametrize("change", [{"rotation": 40}, {"shift": 0.2}, {"shear": 20}, {"zoom": 0.2}, {"flip": True}])
def test_every_setting_changes_images_within_their_range(images, change):
    changed = run(dataclasses.replace(NONE, **change), images)
    assert (changed != images).any()
    assert changed.min() >= images.min() - 1e-5 and changed.max() <= images.max() + 1e-5


def test_every_image_of_a_batch_is_changed_in_its_own_way(images):
    alike = np.repeat(images[:1], 8, axis=0)
    assert len(np.unique(run(ALL, alike), axis=0)) == 8


def test_half_of_the_images_are_mirrored(images):
    many = np.repeat(images[:1], 400, axis=0)
    changed = run(dataclasses.replace(NONE, flip=True), many)
    mirrored = (changed == many[:, :, ::-1]).all(axis=(1, 2, 3))
    assert (mirrored | (changed == many).all(axis=(1, 2, 3))).all()
    assert 150 < mirrored.sum() < 250


def test_rotation_is_in_degrees_and_shift_a_share_of_the_side():
    import_tensorflow()
    line = np.zeros((200, 41, 41, 1), np.float32)
    line[:, 20] = 1
    turned = run(dataclasses.replace(NONE, rotation=20), line)[..., 0]
    slope = turned[:, :, 40].argmax(axis=1) - turned[:, :, 0].argmax(axis=1)
    assert 40 * np.tan(np.radians(16)) < abs(slope).max() <= 40 * np.tan(np.radians(20)) + 1
    shifted = run(dataclasses.replace(NONE, shift=0.25), line)[..., 0]
    rows = shifted[:, :, 20].argmax(axis=1)
    assert (abs(rows - 20) <= 11).all() and abs(rows - 20).max() >= 8
