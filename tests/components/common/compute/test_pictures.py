"""Copies and twins of one picture stay together."""

import numpy as np
import pytest
from data_reports import make_index, make_record
from support import twins

from graft.components.common.artifacts import dataset
from graft.components.common.artifacts.dataset import Dataset
from graft.components.common.compute.likeness.pictures import deal_folds, number_pictures, twin_rows
from graft.components.common.errors import GraftError

FOLDS = 5


def test_folds_depend_on_content_alone_and_hold_the_same_picture_together():
    random = np.random.default_rng(0)
    labels, sha256s = np.arange(300) % 3, [random.bytes(32).hex() for _ in range(300)]
    sha256s[7], labels[7] = sha256s[1], labels[1]
    folds = deal_folds(number_pictures(sha256s, [(3, 9), (12, 3)]), labels, FOLDS)
    assert folds[7] == folds[1] and folds[3] == folds[9] == folds[12]
    chain = number_pictures(sha256s, [(3, 9), (12, 9), (30, 33), (33, 12)])
    assert len(set(deal_folds(chain, labels, FOLDS)[[3, 9, 12, 30, 33]])) == 1
    counts = np.bincount(labels * FOLDS + folds, minlength=3 * FOLDS)
    assert counts.min() >= 18 and counts.max() <= 22
    last = len(labels) - 1
    turned = number_pictures(sha256s[::-1], [(last - 9, last - 12), (last - 3, last - 9)])
    assert (deal_folds(turned, labels[::-1], FOLDS)[::-1] == folds).all()


@pytest.fixture
def filmed(tmp_path):
    """A dataset of which many pairs are twins, of one pair one image having been left out."""
    pairs = (twins("left out", "0", dropped=True), *(twins(str(number), str(number + 1)) for number in range(30)))
    make_record(make_index(), duplicates=[pair.model_dump() for pair in pairs]).write(tmp_path)
    return Dataset.load(tmp_path)


@pytest.mark.parametrize("room", [100, 10])
def test_twins_are_known_also_where_the_record_has_no_room_for_them(monkeypatch, room, request):
    monkeypatch.setattr(dataset, "MOST", room)
    data = request.getfixturevalue("filmed")
    assert len(data.duplicates) == min(room, 31)
    assert data.twins() == [(str(number), str(number + 1)) for number in range(30)]
    assert list(twin_rows(data, ["9", "7", "29", "8", "30"])) == [(1, 3), (3, 0), (2, 4)]


def test_damaged_whole_lists_are_told(monkeypatch, request):
    monkeypatch.setattr(dataset, "MOST", 10)
    data = request.getfixturevalue("filmed")
    (data.path / "whole_lists.parquet").write_bytes(b"torn")
    with pytest.raises(GraftError, match="whole_lists.parquet is damaged"):
        data.twins()
