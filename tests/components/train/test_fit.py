"""Fitting heads on features: optimizers, schedules, weights of classes, smoothed labels."""

import dataclasses

import numpy as np
import pytest

from graft.components.common.tensorflow import import_tensorflow
from graft.components.train.config import TrainConfig
from graft.components.train.fit import fit_head
from graft.components.train.head import build_head

CONFIG = TrainConfig(batch_size=20, epochs=5, dropout=0.0, learning_rate=0.01, patience=50)


@pytest.fixture
def fit(tmp_path):
    """Trains a head on drawn features of classes that overlap, and returns it with how it went."""
    import_tensorflow()
    import keras

    def run(classes=2, counts=(200, 200), **changes):
        keras.utils.set_random_seed(0)
        config = dataclasses.replace(CONFIG, **changes)
        random = np.random.default_rng(0)
        labels = np.repeat(np.arange(classes), counts[:classes])
        vectors = (random.normal(size=(len(labels), 8)) + 0.6 * labels[:, None]).astype(np.float32)
        aside = random.random(len(labels)) < 0.2
        head = build_head(config, vectors[~aside], classes)
        return head, fit_head(head, vectors, labels, aside, config, classes, tmp_path / "logs"), vectors, labels

    return run


@pytest.mark.parametrize("optimizer", ["adagrad", "adam", "adamw", "rmsprop", "sgd"])
@pytest.mark.parametrize("classes", [2, 3])
def test_every_optimizer_learns(fit, optimizer, classes):
    _, fitted, _, _ = fit(classes, (200, 200, 200), optimizer=optimizer, epochs=15, learning_rate=0.1)
    assert fitted.history[-1]["loss"] < fitted.history[0]["loss"]
    assert fitted.accuracy > 1 / classes + 0.15


def test_a_cosine_falls_to_nothing_over_all_epochs(fit):
    head, fitted, _, _ = fit(schedule="cosine", epochs=10)
    rate = head.optimizer._learning_rate
    assert len(fitted.history) == 10
    assert (float(rate(0)), float(rate(head.optimizer.iterations))) == (pytest.approx(0.01), pytest.approx(0, abs=1e-6))
    assert float(rate(rate.decay_steps // 2)) == pytest.approx(0.005, rel=0.01)


def test_class_weights_give_a_rare_class_its_due(fit):
    def recall(**changes):
        head, _, vectors, labels = fit(counts=(400, 30), epochs=40, **changes)
        return float((head.predict(vectors, verbose=0)[labels == 1, 0] > 0.5).mean())

    assert recall(class_weights=True) > recall() + 0.1


@pytest.mark.parametrize("classes", [2, 3])
def test_smoothed_labels_make_for_less_certainty(fit, classes):
    def certainty(**changes):
        head, _, vectors, _ = fit(classes, (200, 200, 200), epochs=60, learning_rate=0.1, **changes)
        probabilities = head.predict(vectors, verbose=0)
        return float(
            np.maximum(probabilities, 1 - probabilities).mean() if classes == 2 else probabilities.max(axis=1).mean()
        )

    assert certainty(label_smoothing=0.3) < certainty() - 0.05
