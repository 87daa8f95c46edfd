"""How accurate a model is where it is confident."""

import numpy as np
import pytest
from evaluation_reports import TRAINING, changed
from scipy.stats import binomtest

from graft.components.evaluate.selective import answered_part, risk_by_coverage, upper_bound

WANTED = {"wanted_accuracy": 0.9, "abstain_below": 0.8, "split": "train", "images": 200, "answered": 150, "wrong": 9}


def drawn(images):
    random = np.random.default_rng(0)
    second = random.random(images).round(3).astype(np.float32)
    return np.stack([1 - second, second], axis=1), random.random(images) < 0.8


@pytest.mark.parametrize("images", [1, 60, 5000])
def test_risk_by_coverage_is_what_counting_gives(images):
    probabilities, right = drawn(images)
    found, confidence = risk_by_coverage(probabilities, right), probabilities.max(axis=1)
    assert len(found.coverage) <= 100
    assert found.coverage[-1] == 1.0
    for coverage, risk, least in zip(found.coverage, found.risk, found.confidence, strict=True):
        answers = confidence >= least
        assert (coverage, risk) == (pytest.approx(answers.mean()), pytest.approx(1 - right[answers].mean()))


def test_the_answered_part_is_what_counting_gives():
    probabilities, right = drawn(500)
    found = answered_part(changed(TRAINING, abstention=WANTED), probabilities, right)
    answers = probabilities.max(axis=1) >= np.float32(0.8)
    assert (found.images, found.wrong) == (answers.sum(), (~right[answers]).sum())
    assert (found.coverage, found.risk) == (answers.mean(), pytest.approx(1 - right[answers].mean()))
    assert found.risk < found.risk_upper < found.risk + 0.06


@pytest.mark.parametrize(("wrong", "images"), [(0, 149), (3, 200), (20, 20)])
def test_the_upper_bound_is_clopper_s_and_pearson_s(wrong, images):
    exact = binomtest(wrong, images, alternative="less").proportion_ci(0.95, "exact").high
    assert upper_bound(wrong, images) == pytest.approx(exact)


def test_none_answered_and_none_wanted():
    probabilities, right = drawn(50)
    none = answered_part(changed(TRAINING, abstention=WANTED | {"abstain_below": 1.0}), probabilities * 0.9, right)
    assert (none.images, none.coverage, none.risk, none.risk_upper) == (0, 0.0, None, 1.0)
    assert answered_part(TRAINING, probabilities, right) is None
    without = {name: value for name, value in WANTED.items() if name != "abstain_below"}
    assert answered_part(changed(TRAINING, abstention=without), probabilities, right) is None
