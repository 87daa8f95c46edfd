"""New images of another distribution are flagged; another draw of the same one is not."""

import numpy as np
import pytest

from graft.components.common.artifacts.evaluation import Drift
from graft.components.evaluate.drift import LEAST, _balance, measure_drift

FEATURES = 64


def draw(chance, count, *, start=0, cats=0.5, darker=0.0, scale=1.0, moved=0.0):
    """An index of images and their features, those of the class apart from the others."""
    labels = np.where(chance.random(count) < cats, "cats", "dogs")
    side = scale * np.exp(chance.normal(6, 0.3, count))
    features = chance.normal(0, 1, (count, FEATURES)) + 0.5 * (labels == "cats")[:, None]
    features[:, 0] += moved
    index = {
        "sha256": [f"{number:064}" for number in range(start, start + count)],
        "label": labels.tolist(),
        "width": side.round().astype(int).tolist(),
        "height": (side * chance.uniform(0.7, 1.3, count)).round().astype(int).tolist(),
        "brightness": np.clip(chance.normal(120 - darker, 25, count), 0, 255).tolist(),
    }
    return index, features


def compare(seed=0, old=800, new=250, share=5, **changes):
    """Compares a draw with another one, a fifth of each being evaluated."""
    chance = np.random.default_rng(seed)
    before, features = draw(chance, old)
    after, others = draw(chance, new, start=old, **changes)
    today = {name: [*before[name], *after[name]] for name in before}
    rows = [*range(0, old, share), *range(old, old + new, share)]
    shown = {name: [values[row] for row in rows] for name, values in today.items()}
    return measure_drift(before, today, shown, np.concatenate([features, others])[rows]), shown


def test_another_draw_of_the_same_is_not_flagged():
    found = [compare(seed, new=new)[0] for seed in range(25) for new in (60, 250)]
    assert all(len(drift.measures) == (3 if drift.new == 60 else 4) for drift in found)
    assert sum(bool(drift.flagged) for drift in found) <= 1


@pytest.mark.parametrize(
    ("changes", "measure"),
    [
        ({"darker": 20}, "brightness"),
        ({"scale": 1.3}, "size"),
        ({"cats": 0.75}, "class balance"),
        ({"moved": 3}, "features"),
    ],
    ids=lambda value: str(value),
)
def test_another_distribution_is_flagged_by_what_differs(changes, measure):
    drift, shown = compare(**changes)
    assert measure in drift.flagged
    assert set(drift.flagged) <= {measure, "features"}
    found = next(entry for entry in drift.measures if entry.name == measure)
    assert found.effect >= found.threshold and found.p_value < 0.001
    assert all(int(shown["sha256"][row]) >= 800 for row in found.drivers)
    assert len(found.drivers) == (0 if measure == "class balance" else 12)


def test_the_darkest_images_drive_a_darker_mean():
    drift, shown = compare(darker=40)
    drivers = next(entry for entry in drift.measures if entry.name == "brightness").drivers
    new = sorted(
        value for value, sha256 in zip(shown["brightness"], shown["sha256"], strict=True) if int(sha256) >= 800
    )
    assert [shown["brightness"][row] for row in drivers] == new[:12]


def test_of_few_images_nothing_is_said():
    drift, _ = compare(new=LEAST - 1, darker=100)
    assert drift == Drift(old=800, new=LEAST - 1, reason="fewer than 30 images are new")
    assert compare(old=LEAST - 1, new=100)[0].reason == "fewer than 30 images are old"


def test_features_of_few_evaluated_images_are_not_compared_and_it_says_so():
    drift, _ = compare(new=145)
    assert [measure.name for measure in drift.measures] == ["class balance", "size", "brightness"]
    assert drift.features_reason == "fewer than 30 of the evaluated images are new"
    assert compare(new=155)[0].features_reason == ""


def test_an_image_of_a_rare_class_is_no_alarm():
    chance = np.random.default_rng(0)
    shares = np.arange(1, 101) ** -1.5
    flagged = 0
    for _ in range(100):
        old, new = (chance.choice(100, count, p=shares / shares.sum()).astype(str) for count in (3000, 60))
        flagged += _balance(old.tolist(), new.tolist()).flagged
    assert flagged <= 1
    assert _balance(old.tolist(), new[::2].tolist() + ["90"] * 10).flagged


def test_a_changed_label_is_no_new_image():
    index, features = draw(np.random.default_rng(0), 400)
    assert measure_drift(index, index | {"label": index["label"][::-1]}, index, features).new == 0
