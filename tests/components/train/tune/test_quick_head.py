"""The head that a search trains is the head that a training trains."""

import dataclasses
from types import SimpleNamespace
from typing import get_args

import keras
import numpy as np
import pytest

from graft.components.train.config import Optimizer, TrainConfig
from graft.components.train.features.training_set import TrainingSet
from graft.components.train.fit.checkpoints import Checkpoints
from graft.components.train.fit.event_logs import EventLogs
from graft.components.train.fit.head_training import train_head
from graft.components.train.fit.scoring import targets_of
from graft.components.train.network.head import moments
from graft.components.train.tune.quick_head import Labelled, QuickHead, losses, train_quick_head
from graft.components.train.tune.update_rules import UPDATE_RULES

CONFIG = TrainConfig(learning_rate=0.03, dropout=0.2, batch_size=20, epochs=8)


def images(count, classes, seed):
    """Images of classes that overlap, float16 features [1, count, 12], and their labels."""
    random = np.random.default_rng(seed)
    labels = np.arange(count) % classes
    centres = np.random.default_rng(1).normal(0, 0.7, (classes, 12))
    return (centres[labels] + random.normal(size=(count, 12)))[None].astype(np.float16), labels


def labelled(vectors, labels, classes, like=None):
    mean, variance = moments((vectors if like is None else like).reshape(-1, vectors.shape[-1]))
    standard = ((vectors - mean) / np.sqrt(variance)).astype(np.float32)
    return Labelled(standard, targets_of(labels, classes), np.ones(len(labels), np.float32))


@pytest.mark.parametrize("name", get_args(Optimizer))
def test_an_update_is_what_keras_does(name):
    random = np.random.default_rng(0)
    weights = random.normal(size=(4, 2)).astype(np.float32)
    variable = keras.Variable(weights)
    kinds = {kind.__name__.lower(): kind for kind in vars(keras.optimizers).values() if isinstance(kind, type)}
    optimizer, update = kinds[name](learning_rate=0.01), UPDATE_RULES[name](weights)
    for _ in range(5):
        gradient = random.normal(size=(4, 2)).astype(np.float32)
        optimizer.apply([keras.ops.convert_to_tensor(gradient)], [variable])
        weights -= update(gradient, 0.01)
    np.testing.assert_allclose(weights, variable.numpy(), rtol=1e-4, atol=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize(
    "config",
    [
        (2, CONFIG),
        (3, dataclasses.replace(CONFIG, optimizer="rmsprop", label_smoothing=0.1, schedule="cosine")),
    ],
    ids=["two classes", "three classes, smoothed, with a schedule"],
)
def test_it_learns_what_a_training_learns(config, tmp_path):
    classes, config = config
    (vectors, labels), (others, answers) = images(300, classes, 0), images(120, classes, 5)
    training_set = TrainingSet(
        np.arange(300), labels, vectors, "train", np.arange(120), others, answers, 0, 420, 0, 0, None
    )
    dataset, network = SimpleNamespace(classes=["a", "b", "c"][:classes]), SimpleNamespace(unfrozen=[])
    with EventLogs(tmp_path, "") as events:
        trained = train_head(dataset, network, training_set, config, Checkpoints("", {}), events)
    train, judge = labelled(vectors, labels, classes), labelled(others, answers, classes, like=vectors)
    quick = train_quick_head(train, judge, config).probabilities(judge.vectors)
    exact = trained.head.predict(others[0].astype(np.float32), verbose=0)
    found, wanted = (float(losses(one, judge.targets).mean()) for one in (quick, exact))
    untrained = float(losses(np.full_like(quick, 1 / classes), judge.targets).mean())
    assert wanted < 0.8 * untrained
    assert found == pytest.approx(wanted, rel=0.1)


def test_the_weights_with_the_lowest_loss_on_the_selection_images_are_kept():
    vectors, labels = images(60, 2, 0)
    train = labelled(vectors, labels, 2)
    contrary = dataclasses.replace(train, targets=1 - train.targets)
    one, many = (dataclasses.replace(CONFIG, epochs=epochs) for epochs in (1, 6))
    first = train_quick_head(train, contrary, one)
    assert (train_quick_head(train, contrary, many).theta == first.theta).all()
    assert (train_quick_head(train, train, many).theta != first.theta).any()


def test_a_loss_that_is_no_number_ends_a_training():
    vectors, labels = images(60, 2, 0)
    train = labelled(vectors, labels, 2)
    diverging = dataclasses.replace(CONFIG, optimizer="sgd", learning_rate=1e38)
    assert np.isfinite(train_quick_head(train, train, diverging).theta).all()


def test_the_views_of_an_image_are_averaged():
    head = QuickHead(np.array([[1.0], [0.0]], np.float32))
    found = head.probabilities(np.array([[[0.0]], [[4.0]]], np.float32))
    assert found == pytest.approx((0.5 + 1 / (1 + np.exp(-4))) / 2)


def test_weights_count_in_the_loss():
    vectors, labels = images(200, 2, 0)
    train = labelled(vectors, labels, 2)
    heavy = dataclasses.replace(train, weights=np.where(labels == 1, 20, 1).astype(np.float32))
    even, tilted = (train_quick_head(one, one, CONFIG).probabilities(one.vectors).mean() for one in (train, heavy))
    assert tilted > even + 0.1
