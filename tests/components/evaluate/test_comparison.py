"""Two models on the same images, on cases worked by hand and against SciPy's distributions."""

import math

import numpy as np
import pytest
from scipy.stats import binom

from graft.components.evaluate.comparison import compare, paired_interval


def compared(both_right, gained, lost, both_wrong):
    counts = (both_right, gained, lost, both_wrong)
    challenger, baseline = np.repeat([True, True, False, False], counts), np.repeat([True, False, True, False], counts)
    return compare(challenger, baseline, "champion", "c" * 64)


def test_counts_and_difference():
    found = compared(900, 30, 20, 50)
    counted = ("both_right", "gained", "lost", "both_wrong")
    assert [getattr(found, name) for name in counted] == [900, 30, 20, 50]
    assert found.difference == pytest.approx(0.01) and found.accuracy == pytest.approx(0.92)
    low, high = found.interval
    assert low < found.lower < found.difference < high


def test_the_interval_is_bonett_and_price_s():
    # The airway hyper-responsiveness data (21 children, 1 better and 7 worse) that Fagerland, Lydersen and Laake, "Recommended
    # tests and confidence intervals for paired binomial proportions", Statistics in Medicine 33, 2014, work through. By hand:
    # (2 - 8)/23 ± 1.96 √((2/23 + 8/23 - (6/23)²)/23) = -0.26087 ± 0.24749.
    assert paired_interval(1, 7, 21, 0.025) == pytest.approx((-0.50836, -0.01338), abs=2e-5)
    assert paired_interval(0, 3, 3, 0.025)[0] == -1.0


def test_the_test_is_mcnemar_s_exact_one():
    # P(X ≥ 8) for 10 flips of a fair coin: (45 + 10 + 1)/1024.
    assert compared(80, 2, 8, 10).p_value == pytest.approx(56 / 1024)
    assert compared(80, 8, 2, 10).p_value == pytest.approx(binom.sf(1, 10, 0.5))
    assert compared(80, 0, 0, 20).p_value == 1.0


def test_equal_models_are_not_certain_to_be_equal():
    found = compared(80, 0, 0, 20)
    assert found.difference == 0
    assert found.interval == pytest.approx([-1.96 * math.sqrt(2) / 102, 1.96 * math.sqrt(2) / 102], rel=1e-4)


@pytest.mark.parametrize(
    ("gained", "lost", "said"),
    [
        (25, 20, "0.5 points better than the champion"),
        (5, 25, "2.0 points worse than the champion"),
        (5, 5, "as accurate as the champion"),
    ],
)
def test_the_difference_in_words(gained, lost, said):
    assert compared(900, gained, lost, 100 - gained - lost).versus("champion") == said
