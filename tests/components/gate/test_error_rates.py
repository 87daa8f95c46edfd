"""How often the gate is wrong about a challenger, on draws of 1,000 images."""

import numpy as np
import pytest
from evaluations import comparison, evaluated
from scipy.stats import binom

from graft.components.common.artifacts.evaluation import Comparison, Comparisons
from graft.components.evaluate.comparison import paired_interval
from graft.components.gate.config import GateConfig
from graft.components.gate.rules import judge

IMAGES, DRAWS = 1000, 2000
EVALUATED, AS_GOOD = evaluated(), Comparison.model_validate(comparison(0.0, IMAGES))


def passes(gained, lost):
    """Whether the gate lets a challenger pass that won and lost so many images."""
    lower, _ = paired_interval(gained, lost, IMAGES, 0.05)
    comparisons = Comparisons(champion=AS_GOOD.model_copy(update={"lower": lower}), anchor=None)
    return all(rule.passed for rule in judge(EVALUATED.model_copy(update={"comparisons": comparisons}), GateConfig()))


def drawn(worse_by, flipped, chance):
    """The share of draws in which a challenger passes that is truly so much worse."""
    shares = [(flipped - worse_by) / 2, (flipped + worse_by) / 2, 1 - flipped]
    draws = chance.multinomial(IMAGES, shares, size=DRAWS).tolist()
    return sum(passes(gained, lost) for gained, lost, _ in draws) / DRAWS


def exact(worse_by, flipped):
    """The same share of all draws that there can be, but for those of a chance below 1e-6."""
    share = 0.0
    for count in np.flatnonzero(binom.pmf(np.arange(IMAGES), IMAGES, flipped) > 1e-6).tolist():
        lets_pass = [passes(gained, count - gained) for gained in range(count + 1)]
        of_gained = binom.pmf(np.arange(count + 1), count, (flipped - worse_by) / 2 / flipped)
        share += float(binom.pmf(count, IMAGES, flipped) * of_gained[lets_pass].sum())
    return share


@pytest.mark.parametrize("flipped", [0.04, 0.05, 0.06])
def test_error_rates_with_the_default_margin(flipped):
    chance = np.random.default_rng(11)
    for rates in (
        [drawn(worse, flipped, chance) for worse in (0, 0.02, 0.03)],
        [exact(w, flipped) for w in (0, 0.02, 0.03)],
    ):
        equal, two_points, three_points = rates
        print(f"{flipped:.0%}: equal {equal:.2%}, 2 points worse {two_points:.2%}, 3 points worse {three_points:.2%}")
        assert equal >= 0.80
        assert two_points <= 0.065
        assert three_points <= 0.01
