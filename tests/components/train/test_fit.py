"""Fitting heads on features: optimizers, schedules, weights of classes, smoothed labels."""

import dataclasses
import math

import numpy as np
import pytest

from graft.components.common.errors import GraftError
from graft.components.common.tensorflow import import_tensorflow
from graft.components.train.checkpoints import Checkpoints
from graft.components.train.config import TrainConfig
from graft.components.train.fit import Phase, class_weights, fit, scorer, targets_of
from graft.components.train.head import build_head
from graft.components.train.streams import stream_of

CONFIG = TrainConfig(batch_size=20, epochs=5, dropout=0.0, learning_rate=0.01, patience=50)


class NoEvents:
    def append(self, entry):
        pass


def poisoned(stream, place):
    """Puts NaN into one batch of a stream."""

    def harm(number, batch):
        inputs, targets = batch
        return import_tensorflow().where(number == place, float("nan"), inputs), targets

    return lambda first: stream(first).enumerate().map(harm)


@pytest.fixture
def fitted_head():
    """Trains a head on drawn features of classes that overlap, and returns it with how it went."""
    tf = import_tensorflow()
    import keras

    def run(classes=2, counts=(200, 200), poison=None, **changes):
        keras.utils.set_random_seed(0)
        config = dataclasses.replace(CONFIG, **changes)
        random = np.random.default_rng(0)
        labels = np.repeat(np.arange(classes), counts[:classes])
        vectors = (random.normal(size=(len(labels), 8)) + 0.6 * labels[:, None]).astype(np.float32)
        aside = random.random(len(labels)) < 0.2
        head, targets = build_head(config, vectors[~aside], classes), targets_of(labels, classes)
        count = int((~aside).sum())
        samples = tf.data.Dataset.from_tensor_slices((vectors[~aside], targets[~aside]))
        stream, steps = stream_of(samples, count, config, config.epochs), math.ceil(count / config.batch_size)
        if poison:
            stream = poisoned(stream, (poison[0] - 1) * steps + poison[1] - 1)
        score = scorer(head, [vectors[None, aside]], targets[aside], config)
        phase = Phase("head", head, stream, steps, score, config.epochs, config.learning_rate)
        weights = class_weights(labels[~aside], classes) if config.class_weights else None
        return head, fit(phase, config, weights, Checkpoints("", {}), NoEvents()), vectors, labels

    return run


@pytest.mark.parametrize("optimizer", ["adagrad", "adam", "adamw", "rmsprop", "sgd"])
@pytest.mark.parametrize("classes", [2, 3])
def test_every_optimizer_learns(fitted_head, optimizer, classes):
    _, fitted, _, _ = fitted_head(classes, (200, 200, 200), optimizer=optimizer, epochs=15, learning_rate=0.1)
    assert fitted.history[-1]["loss"] < fitted.history[0]["loss"]
    assert fitted.accuracy > 1 / classes + 0.15


def test_a_cosine_falls_to_nothing_over_all_epochs(fitted_head):
    head, fitted, _, _ = fitted_head(schedule="cosine", epochs=10)
    rate = head.optimizer._learning_rate
    assert len(fitted.history) == 10
    assert (float(rate(0)), float(rate(head.optimizer.iterations))) == (pytest.approx(0.01), pytest.approx(0, abs=1e-6))
    assert float(rate(rate.decay_steps // 2)) == pytest.approx(0.005, rel=0.01)


def test_class_weights_give_a_rare_class_its_due(fitted_head):
    def recall(**changes):
        head, _, vectors, labels = fitted_head(counts=(400, 30), epochs=40, **changes)
        return float((head.predict(vectors, verbose=0)[labels == 1, 0] > 0.5).mean())

    assert recall(class_weights=True) > recall() + 0.1


@pytest.mark.parametrize("classes", [2, 3])
def test_smoothed_labels_make_for_less_certainty(fitted_head, classes):
    def certainty(**changes):
        head, _, vectors, _ = fitted_head(classes, (200, 200, 200), epochs=60, learning_rate=0.1, **changes)
        probabilities = head.predict(vectors, verbose=0)
        return float(
            np.maximum(probabilities, 1 - probabilities).mean() if classes == 2 else probabilities.max(axis=1).mean()
        )

    assert certainty(label_smoothing=0.3) < certainty() - 0.05


def test_a_loss_that_becomes_nan_late_keeps_the_weights_before(fitted_head, caplog):
    head, fitted, vectors, _ = fitted_head(epochs=9, poison=(4, 3))
    assert fitted.stopped == "the loss became NaN in epoch 4, step 3"
    assert len(fitted.history) == 3
    assert fitted.best_epoch == 3
    assert np.isfinite(head.predict(vectors, verbose=0)).all()
    assert "the best weights before are kept. Lower the learning rate" in caplog.text


def test_a_loss_that_is_nan_from_the_start_is_refused(fitted_head):
    with pytest.raises(GraftError, match=r"The loss became NaN in epoch 1, step 1: lower the learning rate \(0\.01\)"):
        fitted_head(poison=(1, 1))
