"""Temperature scaling: that it finds the temperature which made probabilities wrong, and what it leaves alone."""

import numpy as np
import pytest
from scipy.special import expit, softmax

from graft.components.train.fit.calibration import LEAST, Logits, fit_temperature


def drawn(classes, images=4000, temperature=1.0, views=1, seed=0):
    """Logits that are too large by a temperature, and labels drawn by what their probabilities would be without it."""
    random = np.random.default_rng(seed)
    true = random.normal(0, 2, (images, 1 if classes == 2 else classes))
    chances = np.hstack([1 - expit(true), expit(true)]) if classes == 2 else softmax(true, axis=1)
    labels = (random.random((images, 1)) > chances.cumsum(axis=1)).sum(axis=1).clip(max=classes - 1)
    return Logits(np.repeat(true[None] * temperature, views, axis=0), labels, "train")


@pytest.mark.parametrize("classes", [2, 3])
@pytest.mark.parametrize("temperature", [0.5, 1.0, 3.0])
@pytest.mark.parametrize("views", [1, 2])
def test_it_finds_the_temperature_that_the_logits_were_multiplied_by(classes, temperature, views):
    logits = drawn(classes, temperature=temperature, views=views)
    found = fit_temperature(logits)
    assert found.temperature == pytest.approx(temperature, rel=0.1)
    assert found.loss <= found.loss_before
    assert found.reason is None
    assert (found.split, found.images) == ("train", 4000)
    assert found == fit_temperature(logits)


def test_the_loss_is_that_of_the_mean_probability_of_the_views():
    logits = Logits(np.array([[[2.0], [-1.0]], [[0.0], [3.0]]]), np.array([1, 0]), "train")
    right = (expit([[2.0, 1.0], [0.0, -3.0]])).mean(axis=0)
    assert logits.loss() == pytest.approx(-np.log(right).mean())


@pytest.mark.parametrize(
    ("images", "wrong", "reason"),
    [(LEAST - 1, 5, "fewer than 50 images"), (LEAST, 0, "no image is wrong"), (LEAST, 1, None)],
)
def test_images_that_cannot_tell_change_nothing(images, wrong, reason):
    labels = np.arange(images) % 2
    labels[:wrong] = 1 - labels[:wrong]
    views = np.where(np.arange(images) % 2, 3.0, -3.0)[None, :, None]
    found = fit_temperature(Logits(views, labels, "validation"))
    assert found.reason == reason
    assert (found.temperature == 1.0) == (found.loss == found.loss_before) == (reason is not None)


def test_logits_of_any_size_give_numbers():
    logits = drawn(3, images=100)
    found = fit_temperature(Logits(logits.views * 1e6, logits.labels, "train"))
    assert found.temperature == pytest.approx(10, rel=0.01)
    assert np.isfinite([found.loss, found.loss_before]).all()
