"""Fitting heads on features: optimizers, schedules, weights of classes, smoothed labels."""

import dataclasses
from types import SimpleNamespace

import numpy as np
import pytest

from graft.components.common.artifacts.model import Stopped
from graft.components.common.compute.passes import Pace
from graft.components.common.compute.tensorflow import import_tensorflow
from graft.components.common.errors import GraftError
from graft.components.train.config import TrainConfig
from graft.components.train.features.training_set import TrainingSet
from graft.components.train.fit.calibration import Logits, apply_temperature, fit_temperature
from graft.components.train.fit.checkpoints import Checkpoints
from graft.components.train.fit.fit_phase import fit_phase
from graft.components.train.fit.phases import head_phase
from graft.components.train.fit.scoring import logits_of
from graft.components.train.network.head import build_head, without_last_layer

pytestmark = pytest.mark.slow

CONFIG = TrainConfig(batch_size=20, epochs=5, dropout=0.0, learning_rate=0.01, patience=50)


class NoEvents:
    def append(self, entry):
        pass


def poisoned(stream, place):
    """Puts NaN into one batch of a stream."""

    def harm(number, batch):
        inputs, targets = batch
        return import_tensorflow().where(number == place, float("nan"), inputs), targets

    return lambda done: stream(done).enumerate(start=done).map(harm)


@pytest.fixture
def fitted_head():
    """Trains a head on drawn features of classes that overlap, and returns it with how it went."""
    import_tensorflow()
    import keras

    def run(classes=2, counts=(200, 200), poison=None, **changes):
        keras.utils.set_random_seed(0)
        config = dataclasses.replace(CONFIG, **changes)
        random = np.random.default_rng(0)
        labels = np.repeat(np.arange(classes), counts[:classes])
        vectors = (random.normal(size=(len(labels), 8)) + 0.6 * labels[:, None]).astype(np.float32)
        aside = random.random(len(labels)) < 0.2
        training_set = TrainingSet(
            np.flatnonzero(~aside),
            labels[~aside],
            vectors[None, ~aside],
            "train",
            np.flatnonzero(aside),
            vectors[None, aside],
            labels[aside],
            len(labels),
            0,
            0,
            0,
            Pace(),
        )
        head = build_head(config, vectors[~aside], classes)
        phase = head_phase(SimpleNamespace(classes=list(range(classes))), None, head, training_set, config)
        if poison:
            place = (poison[0] - 1) * phase.steps + poison[1] - 1
            phase = dataclasses.replace(phase, stream=poisoned(phase.stream, place))
        return head, fit_phase(phase, config, Checkpoints("", {}), NoEvents()), vectors, labels

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
def test_class_weights_are_in_the_selection_s_loss_too(fitted_head, classes):
    def losses(**changes):
        _, fitted, _, _ = fitted_head(classes, (300, 30, 30), epochs=1, learning_rate=1e-9, **changes)
        return fitted.history[0]["loss"], fitted.history[0]["selection_loss"]

    plain, weighted = losses(), losses(class_weights=True)
    for before, after in zip(plain, weighted, strict=True):
        assert abs(after / before - 1) > 0.02
    assert (weighted[0] > plain[0]) == (weighted[1] > plain[1])


@pytest.mark.parametrize("classes", [2, 3])
def test_smoothed_labels_make_for_less_certainty(fitted_head, classes):
    def certainty(**changes):
        head, _, vectors, _ = fitted_head(classes, (200, 200, 200), epochs=20, learning_rate=0.1, **changes)
        probabilities = head.predict(vectors, verbose=0)
        return float(
            np.maximum(probabilities, 1 - probabilities).mean() if classes == 2 else probabilities.max(axis=1).mean()
        )

    assert certainty(label_smoothing=0.3) < certainty() - 0.05


def test_a_loss_that_becomes_nan_late_keeps_the_weights_before(fitted_head, caplog):
    head, fitted, vectors, _ = fitted_head(epochs=9, poison=(4, 3))
    assert fitted.stopped is Stopped.NO_NUMBER
    assert "the loss became NaN in epoch 4, steps 1 to 16" in caplog.text
    assert len(fitted.history) == 3
    assert fitted.best_epoch == 3
    assert np.isfinite(head.predict(vectors, verbose=0)).all()
    assert "the best weights before are kept. Lower the learning rate" in caplog.text


def test_a_loss_that_is_nan_from_the_start_is_refused(fitted_head):
    with pytest.raises(
        GraftError, match=r"The loss became NaN in epoch 1, steps 1 to 16: lower the learning rate \(0\.01\)"
    ):
        fitted_head(poison=(1, 1))


@pytest.mark.parametrize("classes", [2, 3])
@pytest.mark.parametrize("kind", ["gap", "flatten-dense"])
def test_a_calibrated_head_decides_and_ranks_as_before_by_probabilities_that_fit_better(fitted_head, classes, kind):
    head, _, vectors, labels = fitted_head(classes, (200, 200, 200), epochs=60, learning_rate=0.1, head=kind)
    logits = Logits(logits_of(head, without_last_layer(head), [vectors[None]])(), labels, "train")
    before = head.predict(vectors, verbose=0)
    calibration = fit_temperature(logits)
    apply_temperature(head, calibration.temperature)
    after = head.predict(vectors, verbose=0)
    for found, temperature in ((before, 1.0), (after, calibration.temperature)):
        expected = np.exp(logits.log_probabilities(temperature))
        assert found[:, -1] == pytest.approx(expected[:, -1], abs=1e-5)
    assert calibration.loss < calibration.loss_before
    if classes == 2:
        assert ((after > 0.5) == (before > 0.5)).all()
        assert (np.diff(after[np.argsort(before[:, 0], kind="stable"), 0]) >= -1e-6).all()
    else:
        assert (after.argmax(axis=1) == before.argmax(axis=1)).all()
