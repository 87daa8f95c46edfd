"""Many small losses don't add up: 1,000 seasons of ever worse models, decided by the real gate."""

import functools

import numpy as np
import pytest
from evaluations import evaluated

from graft.components.common.artifacts.evaluation import Comparisons
from graft.components.evaluate.comparison import compare
from graft.components.gate.config import GateConfig
from graft.components.gate.rules import judge

SEASONS, RETRAININGS, IMAGES = 1000, 20, 1000
BEST, WORSE = 0.95, 0.005
ALLOWED = 0.02
EVALUATED = evaluated()

pytestmark = pytest.mark.slow


@functools.cache
def compared(gained, lost):
    """Returns the real comparison of two models of which one has so many images right that the other has wrong, and the reverse.

    The gate looks at nothing else in it, and the same counts come again in thousands of seasons.
    """
    only_one = np.arange(IMAGES) < gained
    only_other = np.arange(IMAGES)[::-1] < lost
    return compare(only_one, only_other, "", "")


def met(one, other):
    return compared(int((one & ~other).sum()), int((other & ~one).sum()))


def play(chance):
    """Plays a season and returns how far the latest version's true accuracy ever was below that of its anchor."""
    config = GateConfig(min_accuracy=0.5)
    latest, anchor, deepest = None, None, 0.0
    best_measured = 0.0
    for number in range(RETRAININGS + 1):
        true = BEST - WORSE * number
        # All models are run on today's images, each right or wrong on its own: the least that two models have in common.
        right = {model: chance.random(IMAGES) < model for model in {true, latest, anchor} - {None}}
        both = [None if model is None else met(right[true], right[model]) for model in (latest, anchor)]
        accuracy = float(right[true].mean())
        metrics = EVALUATED.metrics.model_copy(update={"accuracy": accuracy})
        comparisons = Comparisons(champion=both[0], anchor=both[1])
        evaluation = EVALUATED.model_copy(update={"metrics": metrics, "comparisons": comparisons})
        if all(rule.passed for rule in judge(evaluation, config)):
            latest = true
            if accuracy > best_measured:  # as the registry chooses its best
                anchor, best_measured = true, accuracy
        deepest = max(deepest, anchor - latest)
    return deepest


def test_the_latest_hardly_ever_falls_two_points_below_the_anchor():
    chance = np.random.default_rng(0)
    deepest = [play(chance) for _ in range(SEASONS)]
    too_deep = sum(depth > ALLOWED + 1e-9 for depth in deepest)
    assert too_deep <= 0.05 * SEASONS, f"{too_deep} of {SEASONS} seasons"
    assert any(depth > 0 for depth in deepest), "the gate let nothing pass: this would test nothing"
