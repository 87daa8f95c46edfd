"""The confidence below which a model does not answer: the rule, and that its guarantee holds on real predictions."""

import numpy as np
import pytest
from support import ROOT

from graft.components.train.fit.abstention import choose_threshold
from graft.components.train.fit.calibration import Logits


def of_two(second):
    return np.stack([1 - second, second], axis=1)


def chosen(confidence, right, wanted=0.8):
    return choose_threshold(of_two(np.array(confidence)), np.array(right, int), "train", wanted)


def test_it_answers_as_many_as_it_may_with_one_more_wrong():
    right = [1] * 9 + [0] + [1] * 9 + [0, 0, 0, 0]
    found = chosen(np.linspace(0.99, 0.6, 23), right)
    assert (found.answered, found.wrong, found.images, found.split) == (21, 3, 23, "train")
    assert found.abstain_below == pytest.approx(np.linspace(0.99, 0.6, 23)[20])


def test_images_of_the_same_confidence_are_answered_together():
    found = chosen([0.9] * 9 + [0.8] * 3, [1] * 9 + [1, 0, 0])
    assert (found.answered, found.abstain_below) == (9, 0.9), "one of the three would do, and two of them"


def test_confidences_that_a_model_can_t_tell_apart_are_the_same():
    """In 32 bits all of these are 1, so the wrong ones would be answered with the others."""
    logits = Logits(np.linspace(40, 20, 60)[None, :, None], np.array([1] * 40 + [0] * 20), "train")
    found = choose_threshold(logits.probabilities(1.0), logits.labels, logits.split, 0.9)
    assert (found.abstain_below, found.answered) == (None, 0)


@pytest.mark.parametrize(
    ("images", "wanted", "found"), [(48, 0.98, False), (49, 0.98, True), (8, 0.9, False), (9, 0.9, True)]
)
def test_too_few_images_choose_none_and_say_so(images, wanted, found, caplog):
    record = chosen(np.linspace(0.99, 0.9, images), [1] * images, wanted)
    assert (record.abstain_below is not None) is found
    assert record.answered == (images if found else 0)
    assert ("lower wanted_accuracy, or raise selection_fraction" in caplog.text) is not found


@pytest.mark.parametrize("wanted", [0.96, 0.98])
def test_the_guarantee_holds_over_a_thousand_draws_of_the_photographs(wanted, caplog):
    """The predictions are those of the recipe `fast` for the 1,000 validation photographs of cats and dogs."""
    second, labels = np.loadtxt(ROOT / "tests/fixtures/photographs.csv", delimiter=",", skiprows=1, unpack=True)
    probabilities, labels = of_two(second), labels.astype(int)
    confidence, wrong = probabilities.max(axis=1), probabilities.argmax(axis=1) != labels
    random, selection = np.random.default_rng(0), 200
    answered, mistaken, by_all, naive = [], [], [], []
    for _ in range(1000):
        order = random.permutation(1000)
        here, following, rest = order[:selection], order[: selection + 1], order[selection:]

        def lowest(rows):
            """The lowest confidence at which wrong / answered is low enough, of these images alone."""
            descending = rows[np.argsort(-confidence[rows])]
            good = np.flatnonzero(wrong[descending].cumsum() <= (1 - wanted) * np.arange(1, len(rows) + 1) + 1e-9)
            return confidence[descending[good[-1]]] if len(good) else np.inf

        threshold = choose_threshold(probabilities[here], labels[here], "train", wanted).abstain_below or np.inf
        answers = confidence[rest] >= threshold
        answered.append(answers.mean())
        mistaken.append((answers & wrong[rest]).mean())
        by_all.append(confidence[order[selection]] >= lowest(following))
        plain = confidence[rest] >= lowest(here)
        naive.append((plain & wrong[rest]).sum() / max(plain.sum(), 1))
    assert np.mean(mistaken) <= (1 - wanted) * np.mean(by_all), "the guarantee, as `choose_threshold` states it"
    assert np.mean(mistaken) <= (1 - wanted) * np.mean(answered)
    assert np.mean(answered) > 0.7, "it would hold by answering nothing"
    assert np.mean(naive) > np.sum(mistaken) / np.sum(answered), "the one more makes no difference"
