"""The figures of an evaluation: scikit-learn's to the last digit, and on cases worked by hand."""

import math
import tracemalloc

import numpy as np
import pytest
from scipy.stats import binom
from sklearn import metrics as sk

from graft.components.evaluate.metrics import compute_metrics, expected_calibration_error, reliability, wilson_interval

EXACT = {"rel": 0, "abs": 1e-9}


def two_classes(*of_class_1):
    probabilities = np.array(of_class_1, np.float32)
    return np.stack([1 - probabilities, probabilities], axis=1)


def predictions(classes, images=400, seed=5):
    """Labels and probabilities that are right more often than not."""
    chance = np.random.default_rng(seed)
    labels = chance.integers(0, classes, images)
    logits = chance.normal(size=(images, classes)) + 1.2 * np.eye(classes)[labels]
    return (np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)).astype(np.float32), labels


@pytest.mark.parametrize("count", [2, 5])
def test_figures_are_scikit_learn_s(count):
    probabilities, labels = predictions(count)
    classes = [f"class {number}" for number in range(count)]
    found = compute_metrics(probabilities, labels, classes)
    wide = probabilities.astype(np.float64)
    wide /= wide.sum(axis=1, keepdims=True)
    predicted, numbers = wide.argmax(axis=1), range(count)
    one_hot = np.eye(count)[labels]
    assert found.accuracy == pytest.approx(sk.accuracy_score(labels, predicted), **EXACT)
    assert found.loss == pytest.approx(sk.log_loss(labels, wide), **EXACT)
    assert list(map(list, found.confusion)) == sk.confusion_matrix(labels, predicted).tolist()
    auc = sk.roc_auc_score(labels, wide[:, 1]) if count == 2 else sk.roc_auc_score(labels, wide, multi_class="ovr")
    precision = (labels, wide[:, 1]) if count == 2 else (one_hot, wide)
    assert found.auc == pytest.approx(auc, **EXACT)
    assert found.average_precision == pytest.approx(sk.average_precision_score(*precision), **EXACT)
    report = sk.classification_report(labels, predicted, target_names=classes, output_dict=True)
    for number, name in enumerate(classes):
        entry = found.by_class[name]
        assert entry.images == report[name]["support"]
        for figure, key in (("precision", "precision"), ("recall", "recall"), ("f1", "f1-score")):
            assert getattr(entry, figure) == pytest.approx(report[name][key], **EXACT)
        assert entry.auc == pytest.approx(sk.roc_auc_score(labels == number, wide[:, number]), **EXACT)
        assert entry.average_precision == pytest.approx(
            sk.average_precision_score(labels == number, wide[:, number]), **EXACT
        )
    assert list(found.roc) == (classes[1:] if count == 2 else classes)
    for number in numbers if count > 2 else [1]:
        curve = found.roc[classes[number]]
        area = sk.auc(curve.false_positive_rate, curve.true_positive_rate)
        assert area == pytest.approx(sk.roc_auc_score(labels == number, wide[:, number]), **EXACT)
        assert all(map(math.isfinite, curve.thresholds))
    if count == 2:
        best = found.threshold
        called = wide[:, 1] >= best.best
        assert best.balanced_accuracy == pytest.approx(sk.balanced_accuracy_score(labels, called), **EXACT)
        assert best.balanced_accuracy == max(
            sk.balanced_accuracy_score(labels, wide[:, 1] >= edge) for edge in wide[:, 1]
        )
        at_half = sk.balanced_accuracy_score(labels, predicted)
        assert best.balanced_accuracy_at_half == pytest.approx(at_half, **EXACT)
    else:
        assert found.threshold is None


def test_long_curves_are_thinned():
    probabilities, labels = predictions(2, images=5000)
    curve = compute_metrics(probabilities, labels, ["cats", "dogs"]).roc["dogs"]
    assert len(curve.thresholds) == 200
    assert (curve.false_positive_rate[0], curve.false_positive_rate[-1]) == (0, 1)


def test_two_classes_by_hand():
    found = compute_metrics(two_classes(0.1, 0.6, 0.4, 0.9), np.array([0, 0, 1, 1]), ["cats", "dogs"])
    assert found.accuracy == 0.5
    assert found.confusion == ((1, 1), (1, 1))
    assert found.auc == 0.75
    assert found.loss == pytest.approx(-np.log([0.9, 0.4, 0.4, 0.9]).mean(), rel=1e-6)
    assert found.by_class["dogs"].recall == 0.5


def test_the_best_threshold_lies_between_the_images_it_parts():
    found = compute_metrics(two_classes(0.1, 0.6, 0.7, 0.9), np.array([0, 0, 1, 1]), ["cats", "dogs"])
    assert dict(found.threshold) == pytest.approx(
        {"best": 0.65, "balanced_accuracy": 1.0, "balanced_accuracy_at_half": 0.75}, abs=1e-6
    )


def test_a_threshold_that_is_as_good_as_none():
    found = compute_metrics(two_classes(1.0, 0.0), np.array([0, 1]), ["cats", "dogs"]).threshold
    assert (found.best, found.balanced_accuracy) == (0.0, 0.5)


def test_a_class_without_images_has_no_figures():
    probabilities, labels = predictions(3)
    some = labels < 2
    found = compute_metrics(probabilities[some], labels[some], ["cats", "dogs", "birds"])
    birds = found.by_class["birds"]
    assert birds.images == 0 and birds.precision == 0
    assert {key for key, value in birds if value is None} == {
        *("recall", "recall_interval", "f1", "auc", "average_precision")
    }
    assert list(found.roc) == ["cats", "dogs"]
    assert found.auc == pytest.approx((found.by_class["cats"].auc + found.by_class["dogs"].auc) / 2)
    one = compute_metrics(two_classes(0.9, 0.4), np.array([1, 1]), ["cats", "dogs"])
    assert (one.auc, one.average_precision, one.threshold, one.roc) == (None, None, None, {})
    assert one.accuracy == 0.5


def test_interval_is_wilson_s():
    # Worked by hand: (p + z²/2n ± z √(p(1-p)/n + z²/4n²)) / (1 + z²/n) with p = 0.94, n = 1,000, z = 1.96.
    assert wilson_interval(940, 1000) == pytest.approx([0.92353, 0.95310], abs=1e-5)
    assert wilson_interval(10, 10)[1] == 1.0


def test_the_interval_covers_what_it_promises():
    images = 1000
    ends = np.array([wilson_interval(right, images) for right in range(images + 1)])
    for accuracy in np.arange(0.80, 0.991, 0.01):
        covers = (ends[:, 0] <= accuracy) & (accuracy <= ends[:, 1])
        coverage = binom.pmf(np.arange(images + 1), images, accuracy)[covers].sum()
        assert 0.94 <= coverage <= 0.97, accuracy


def test_calibration_by_hand():
    # Guo et al. 2017, equations 2 to 5, with bins of 1/15: 0.55 and 0.6 share (8/15, 9/15], whose upper edge belongs to it.
    confidence, right = np.array([0.55, 0.6, 0.95, 1.0]), np.array([True, False, True, True])
    low, high = reliability(confidence, right)
    assert dict(low) == pytest.approx(
        {"low": 8 / 15, "high": 9 / 15, "images": 2, "confidence": 0.575, "accuracy": 0.5}
    )
    assert dict(high) == pytest.approx({"low": 14 / 15, "high": 1.0, "images": 2, "confidence": 0.975, "accuracy": 1.0})
    assert expected_calibration_error([low, high]) == pytest.approx(0.5 * 0.075 + 0.5 * 0.025, **EXACT)


def test_of_many_classes_the_pairs_mistaken_most_and_the_worst_curves_are_kept():
    probabilities, labels = predictions(60, images=3000)
    classes = [f"class {number}" for number in range(60)]
    found = compute_metrics(probabilities, labels, classes)
    matrix = sk.confusion_matrix(labels, probabilities.argmax(axis=1))
    np.fill_diagonal(matrix, 0)
    assert found.confusion == () and len(found.confused) == 100
    for pair in found.confused:
        assert matrix[classes.index(pair.true), classes.index(pair.predicted)] == pair.images
    assert [pair.images for pair in found.confused] == sorted(matrix.ravel().tolist(), reverse=True)[:100]
    areas = {name: figures.auc for name, figures in found.by_class.items()}
    assert set(found.roc) == set(sorted(areas, key=areas.get)[:50])


def test_the_figures_need_no_second_copy_of_the_probabilities():
    probabilities, labels = predictions(100, images=20_000)
    classes = [f"class {number}" for number in range(100)]
    compute_metrics(probabilities[:1000], labels[:1000], classes)  # which imports what it needs
    tracemalloc.start()
    try:
        compute_metrics(probabilities, labels, classes)
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert most < 1.5 * probabilities.nbytes  # columns of 64 bits to sort; with wide copies of all, 12 times
