"""The images set aside to select weights."""

import numpy as np

from graft.components.train.features.choice import selection_mask


def test_takes_the_share_of_every_class_by_content_alone():
    rng = np.random.default_rng(0)
    sha256s = [rng.bytes(32).hex() for _ in range(300)]
    labels = np.array([0] * 200 + [1] * 100)
    mask = selection_mask(sha256s, labels, 0.1)
    assert (mask[labels == 0].sum(), mask[labels == 1].sum()) == (20, 10)
    order = rng.permutation(300)
    shuffled = selection_mask([sha256s[i] for i in order], labels[order], 0.1)
    assert (shuffled == mask[order]).all()


def test_leaves_at_least_one_image_a_class_to_train_on():
    mask = selection_mask(["a", "b", "c"], np.array([0, 1, 1]), 0.9)
    assert mask.sum() == 1
    assert not mask[0]
