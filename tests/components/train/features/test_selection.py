"""The images set aside to select weights."""

import numpy as np

from graft.components.train.features.choice import _remarks, selection_mask


def test_takes_the_share_of_every_class_by_content_alone():
    rng = np.random.default_rng(0)
    sha256s = [rng.bytes(32).hex() for _ in range(300)]
    labels = np.array([0] * 200 + [1] * 100)
    mask = selection_mask(sha256s, labels, 0.1, np.arange(300))
    assert (mask[labels == 0].sum(), mask[labels == 1].sum()) == (20, 10)
    order = rng.permutation(300)
    shuffled = selection_mask([sha256s[i] for i in order], labels[order], 0.1, np.arange(300)[order])
    assert (shuffled == mask[order]).all()


def test_leaves_at_least_one_image_a_class_to_train_on():
    mask = selection_mask(["a", "b", "c"], np.array([0, 1, 1]), 0.9, np.arange(3))
    assert mask.sum() == 1
    assert not mask[0]


def test_copies_and_twins_stay_together():
    rng = np.random.default_rng(0)
    sha256s = [rng.bytes(32).hex() for _ in range(300)]
    labels = np.repeat([0, 1], 150)
    pictures = np.arange(300) // 5  # bursts of five
    mask = selection_mask(sha256s, labels, 0.1, pictures)
    assert mask[labels == 0].sum() == mask[labels == 1].sum() == 15
    assert (np.bincount(pictures[mask]) % 5 == 0).all()
    order = rng.permutation(300)
    assert (selection_mask([sha256s[i] for i in order], labels[order], 0.1, pictures[order]) == mask[order]).all()


def test_a_picture_that_is_more_than_the_share_is_set_aside_only_if_there_is_none_smaller():
    sha256s, labels = [f"{number:064}" for number in range(12)], np.zeros(12, int)
    for sizes, aside in (((6, 6), 6), ((9, 3), 3), ((8, 3, 1), 1)):
        pictures = np.repeat(np.arange(len(sizes)), sizes)
        mask = selection_mask(sha256s, labels, 0.1, pictures)
        assert mask.sum() == aside
        assert not set(pictures[mask]) & set(pictures[~mask])
        assert list(_remarks(labels, mask, pictures, ["cat"], 0.5)) == []


def test_a_class_without_a_picture_to_set_aside_is_divided_image_by_image_and_that_is_told():
    sha256s, labels = [f"{number:064}" for number in range(40)], np.repeat([0, 1], 20)
    for sizes in (
        (20, *[1] * 20),
        (15, 5, *[1] * 20),
    ):  # a film, of which the second also shows a picture of the other class
        pictures = np.repeat(np.arange(len(sizes)), sizes)
        pictures[20] = 1
        mask = selection_mask(sha256s, labels, 0.1, pictures)
        assert mask[:20].sum() == mask[20:].sum() == 2
        (remark,) = _remarks(labels, mask, pictures, ["cat", "dog"], 0.1)
        assert remark.startswith(
            "There are so few different pictures of cat that twins of the images which select the weights train:"
        )


def test_a_share_that_is_far_larger_is_told():
    sha256s, labels = [f"{number:064}" for number in range(40)], np.repeat([0, 1], 20)
    pictures = np.append(np.repeat([0, 1], [11, 9]), np.arange(2, 22))
    mask = selection_mask(sha256s, labels, 0.1, pictures)
    assert mask[:20].sum() == 9 and mask[20:].sum() == 2
    assert list(_remarks(labels, mask, pictures, ["cat", "dog"], 0.1)) == [
        "Twins stay together, so that more training images select the weights than 10%: 9 of 20 of cat."
    ]


def test_a_picture_of_two_classes_trains():
    labels, pictures = np.array([0, 0, 0, 1, 1, 1]), np.array([0, 1, 2, 0, 3, 4])
    for number in range(20):
        mask = selection_mask([f"{number}-{image}" for image in range(6)], labels, 0.5, pictures)
        assert not mask[pictures == 0].any()
        assert mask[labels == 0].any() and mask[labels == 1].any()
