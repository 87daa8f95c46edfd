"""Images unlike all training images: their score, and the planted images that tell what it is worth."""

import dataclasses

import numpy as np
import pytest
from evaluation_reports import Made

from graft.components.common.artifacts.evaluation import Evaluation, Foreign, Planted
from graft.components.evaluate import foreign
from graft.components.evaluate.foreign import area_under_curve, distances, find_foreign, plant
from graft.components.evaluate.labels.known_features import Known


def known_of(splits, split, found=True):
    count = len(split)
    rows, features = np.arange(count), np.ones((count, 4), np.float16)
    names, none = [str(row) for row in rows], np.zeros(count, bool)
    return Known(splits, np.array(split), rows, names, names, rows, none, none, features, np.full(count, found), 0, 0)


def test_the_score_is_the_distance_to_the_third_neighbour(monkeypatch):
    monkeypatch.setattr(foreign, "_AT_ONCE", 7)
    random = np.random.default_rng(0)
    some, bank = (random.standard_normal((count, 8)).astype(np.float32) for count in (20, 50))
    some, bank = (rows / np.linalg.norm(rows, axis=1, keepdims=True) for rows in (some, bank))
    expected = np.sort(np.linalg.norm(some[:, None] - bank, axis=2), axis=1)[:, 2]
    assert distances(some, bank, 3) == pytest.approx(expected, abs=1e-5)


def test_the_area_is_the_share_of_pairs_in_order():
    planted, scores = np.array([0.2, 0.5, 0.9]), np.array([0.1, 0.5, 0.6, 0.3])
    pairs = [(one > other) + 0.5 * (one == other) for one in planted for other in scores]
    assert area_under_curve(planted, scores) == pytest.approx(np.mean(pairs))


@pytest.mark.parametrize("shape", [(1, 1, 3), (3, 9, 3), (41, 30, 3)])
def test_planted_images_are_made_of_each_picture_and_always_the_same(shape):
    pictures = [np.random.default_rng(seed).integers(0, 256, shape, np.uint8) for seed in range(2)]
    made, again = list(plant(pictures, 24)), list(plant(pictures, 24))
    assert len({kind for kind, _ in made}) == 4 and len(made) == 8
    assert all(image.dtype == np.uint8 for _, image in made)
    assert all((one == other).all() for (_, one), (_, other) in zip(made, again, strict=True))
    for picture, ((_, noise), (_, gradient), (_, shuffled), (_, inverted)) in zip(
        pictures, (made[:4], made[4:]), strict=True
    ):
        assert noise.shape == gradient.shape == (24, 24, 3)
        assert noise.std() > 60
        assert np.abs(np.diff(gradient.astype(int), axis=0)).max() <= 16, "it is smooth"
        assert (255 - inverted[::-1] == picture).all()
        tiles = min(4, *shape[:2])
        kept = picture[: shape[0] // tiles * tiles, : shape[1] // tiles * tiles]
        assert sorted(shuffled.ravel()) == sorted(kept.ravel())
        assert tiles == 1 or (shuffled != kept).any()


@pytest.mark.parametrize(
    ("known", "reason"),
    [
        (known_of(("train", "validation"), [0] * 20 + [1] * 20), "the evaluated images are the training images"),
        (known_of(("validation",), [0] * 20), "features of fewer than 11 training images are kept"),
        (
            known_of(("validation", "train"), [0] * 9 + [1] * 20, False),
            "features of fewer than 11 training images are kept",
        ),
    ],
)
def test_why_nothing_is_scored(known, reason):
    assert find_foreign(known, None, None) == Foreign(reason=reason)


def test_a_burst_of_training_images_makes_no_other_image_unusual(monkeypatch):
    """Each of a burst has neighbours that are its own twins."""
    random = np.random.default_rng(0)
    shots, planted = 20, random.standard_normal((4, 16)).astype(np.float32)
    features = random.standard_normal((400, 16))
    bursts = np.repeat(random.standard_normal((30, 16)), shots, axis=0) + 0.001 * random.standard_normal(
        (30 * shots, 16)
    )
    known = known_of(("validation", "train"), [0] * 400 + [1] * 30 * shots)
    pictures = np.append(np.arange(400), 400 + np.arange(30 * shots) // shots)
    known = dataclasses.replace(
        known, features=np.concatenate([features, bursts]).astype(np.float16), pictures=pictures
    )
    monkeypatch.setattr(foreign, "_planted", lambda *_: (np.array(["noise"] * 4), planted))
    assert find_foreign(known, None, None).beyond < 40
    alone = dataclasses.replace(known, pictures=np.arange(len(known.pictures)))
    assert find_foreign(alone, None, None).beyond == 400


def test_the_report_shows_what_the_score_is_worth(tmp_path):
    made = Made()
    assert "Images unlike the training images" not in made.write(tmp_path / "before.html").text
    found = Foreign(images=60, beyond=1, planted=(Planted(kind="noise", images=16, beyond=15, auc=0.987),))
    made.evaluation = made.evaluation.model_copy(update={"foreign": found})
    text = made.write(tmp_path / "report.html").text
    assert "1 of 60 evaluated images is less like the training images than 99% of these are like each other." in text
    assert "It promises nothing" in text and "0.987" in text


def test_without_a_store_nothing_is_scored(chain):
    assert Evaluation.load(chain / "evaluation").foreign.reason.startswith("features of fewer than 11")
