"""Settings are judged on images that the head has not seen."""

import dataclasses

import numpy as np
import pytest

from graft.components.common.errors import GraftError
from graft.components.train.config import TrainConfig
from graft.components.train.features.training_set import TrainingSet
from graft.components.train.tune import out_of_fold
from graft.components.train.tune.out_of_fold import FOLDS, OutOfFold
from graft.components.train.tune.search import search_settings
from graft.components.train.tune.search_space import SearchConfig

CONFIG = TrainConfig(cut="a+c", dropout=0.0, batch_size=16, epochs=20)
COLUMNS = {"a": slice(0, 200), "b": slice(200, 300), "c": slice(300, 500)}


def training_set(labels):
    random, many = np.random.default_rng(0), len(labels)
    vectors = random.normal(size=(1, many, 500)).astype(np.float16)
    selecting = np.arange(0, many, 3)
    return TrainingSet(
        np.arange(many), labels, vectors, "train", selecting, vectors[:, selecting], labels[selecting], 0, 0, 0, 0, None
    )


def in_folds(made, pictures=None):
    return OutOfFold(made, np.arange(len(made.labels)) if pictures is None else pictures, COLUMNS, 2)


def judged(images, config=CONFIG):
    losses, right = zip(*images.judge(config), strict=True)
    return np.concatenate(losses), np.concatenate(right)


def test_noise_can_t_be_learned_by_heart():
    labels = np.random.default_rng(1).integers(0, 2, 240)
    made = training_set(labels)
    losses, right = judged(in_folds(made))
    assert len(losses) == len(right) == 240
    assert 0.35 < right.mean() < 0.65, "a head would have found more among images that it was trained on"


def test_noise_can_t_be_learned_by_heart_from_twins():
    """As of bursts of photographs: a head that trains on one would know the others."""
    pictures = np.arange(240) // 4
    made = training_set(np.random.default_rng(1).integers(0, 2, 60)[pictures])
    vectors = made.vectors[:, pictures * 4]  # each the first one of its burst
    made = dataclasses.replace(made, vectors=vectors, selection_vectors=vectors[:, made.selection_rows])
    _, right = judged(in_folds(made, pictures))
    assert 0.35 < right.mean() < 0.65
    _, right = judged(in_folds(made))
    assert right.mean() > 0.9


def test_an_image_a_class_is_too_little():
    with pytest.raises(GraftError, match="needs a class of two training images or more"):
        in_folds(training_set(np.arange(2)))
    losses, _ = judged(in_folds(training_set(np.array([0, 1, 1]))))
    assert np.isfinite(losses).all() and len(losses) == 3


def test_features_that_are_no_numbers_are_told():
    made = training_set(np.arange(60) % 2)
    made.vectors[0, 7, 0] = np.nan
    with pytest.raises(GraftError, match="features that are no numbers"):
        in_folds(made)


def test_only_the_features_of_the_cut_play_a_part():
    labels = np.arange(120) % 2
    made = training_set(labels)
    for columns, cut, found in ((slice(0, 200), "a", True), (slice(200, 300), "a+c", False)):
        vectors = made.vectors.copy()
        vectors[0, :, columns] += 3 * labels[:, None].astype(np.float16)
        told = TrainingSet(**vars(made) | {"vectors": vectors, "selection_vectors": vectors[:, made.selection_rows]})
        _, right = judged(in_folds(told), TrainConfig(cut=cut, batch_size=16, epochs=20))
        assert (right.mean() > 0.9) == found


def test_the_same_seed_finds_the_same_settings():
    made = training_set(np.arange(90) % 2)
    searches = [SearchConfig(trials=4, cuts=("a", "b+c"), seed=seed) for seed in (3, 3, 4)]
    one, again, other = (
        [tried.config for tried in search_settings(in_folds(made), CONFIG, search)] for search in searches
    )
    assert one == again != other
    assert one[0] == CONFIG and len(one) == 5


def test_many_images_are_looked_at_in_part_of_each_class_its_share(monkeypatch):
    monkeypatch.setattr(out_of_fold, "MOST_IMAGES", 40)
    labels = np.sort(np.array([0] * 90 + [1] * 30))
    images = in_folds(training_set(labels))
    assert images.images == 40
    assert np.bincount(images._labels).tolist() == [30, 10]
    assert all(np.bincount(images._labels[images._folds == fold]).min() >= 3 for fold in range(FOLDS))
