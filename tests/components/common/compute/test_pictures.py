"""Copies and twins of one picture stay together."""

import io
import shutil

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image, ImageEnhance

from graft.components.common.artifacts import dataset
from graft.components.common.artifacts.dataset import INDEX, MINIATURE, Dataset
from graft.components.common.compute.likeness import pictures
from graft.components.common.compute.likeness.pictures import deal_folds, pictures_of
from graft.components.common.errors import GraftError
from graft.components.ingest.config import IngestConfig
from graft.components.ingest.ingest import ingest

BURSTS, SHOTS, FOLDS = 12, 8, 5


def shots_of(picture, random):
    """A burst: the picture again and again, framed, lit and encoded a little differently."""
    for _ in range(SHOTS):
        margin = int(random.integers(0, 4))
        shot = picture.crop((margin, margin, picture.width - margin, picture.height - margin))
        encoded = io.BytesIO()
        ImageEnhance.Brightness(shot).enhance(random.uniform(0.97, 1.03)).save(
            encoded, "JPEG", quality=int(random.integers(60, 95))
        )
        yield encoded.getvalue()


@pytest.fixture(scope="module")
def bursts(tmp_path_factory):
    """Datasets of the same bursts under other names, and the burst of each image by its digest."""
    folder, random = tmp_path_factory.mktemp("bursts"), np.random.default_rng(0)
    drawn = [Image.fromarray(random.integers(0, 256, (6, 8, 3), np.uint8)).resize((320, 240)) for _ in range(BURSTS)]
    shots = [(burst, shot) for burst, picture in enumerate(drawn) for shot in shots_of(picture, random)]
    datasets = []
    for number in range(2):
        for name, place in enumerate(random.permutation(len(shots))):
            burst, shot = shots[place]
            path = (
                folder
                / f"source {number}"
                / ("train" if burst < BURSTS - 2 else "validation")
                / "ab"[burst % 2]
                / f"{name}.jpg"
            )
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(shot)
        ingest(str(folder / f"source {number}"), folder / f"dataset {number}", IngestConfig())
        datasets.append(Dataset.load(folder / f"dataset {number}"))
    return datasets


def test_the_shots_of_a_burst_are_one_picture(bursts):
    """The record knows each one's nearest twin alone, by which a burst falls into pairs."""
    for data in bursts:
        index = data.index("train", ["path", "label"])
        pictures = pictures_of(data, ["train"])
        assert len(pictures) == (BURSTS - 2) * SHOTS and len(set(pictures)) == BURSTS - 2
        assert set(np.unique(pictures, return_counts=True)[1]) == {SHOTS}
        assert len(set(zip(pictures, index["label"], strict=True))) == BURSTS - 2


def test_pictures_are_the_same_however_images_are_called(bursts):
    one, other = (
        dict(zip(data.index("train", ["sha256"])["sha256"], pictures_of(data, ["train"]), strict=True))
        for data in bursts
    )
    assert one.keys() == other.keys()
    assert len({(one[sha256], other[sha256]) for sha256 in one}) == BURSTS - 2


def test_pictures_of_several_splits_come_one_split_after_the_other(bursts):
    (data, _) = bursts
    both = pictures_of(data, ["validation", "train"])
    alone = [pictures_of(data, [split]) for split in ("validation", "train")]
    assert len(set(both)) == BURSTS
    for part, other in zip(np.split(both, [2 * SHOTS]), alone, strict=True):
        assert len(set(zip(part, other, strict=True))) == len(set(part)) == len(set(other))


def altered(data, folder, change):
    """The dataset with another index."""
    shutil.copytree(data.path, folder / "altered")
    pq.write_table(change(pq.read_table(data.path / INDEX)), folder / "altered" / INDEX)
    return Dataset.load(folder / "altered")


def test_an_older_index_has_no_miniatures(bursts, tmp_path):
    (data, _) = bursts
    older = altered(data, tmp_path, lambda index: index.drop_columns([MINIATURE]))
    assert len(set(pictures_of(older, ["train"]))) <= BURSTS - 2


def test_strangers_are_not_compared_anew(bursts, tmp_path, monkeypatch):
    """As a fixed camera takes them: they all look alike, and none is another's twin."""
    (data, _) = bursts
    compared = []
    monkeypatch.setattr(
        pictures, "number_pictures", lambda phashes, *_: compared.append(len(phashes)) or np.zeros(len(phashes), int)
    )
    record = data.model_copy(update={"duplicates": data.duplicates[:1]})
    record._path = data.path
    found = pictures_of(record, ["validation", "train"])
    assert compared == [2] and len(set(found)) == len(found) - 1
    strangers = data.model_copy(update={"duplicates": ()})
    strangers._path = data.path
    assert pictures_of(strangers, ["train"]).tolist() == list(range(data.count("train"))) and compared == [2]


def cut(data, folder, monkeypatch):
    """The dataset with a record that has no room for all twins."""
    monkeypatch.setattr(dataset, "MOST", 5)
    shutil.copytree(data.path, folder / "cut")
    Dataset.load(folder / "cut").write(folder / "cut")
    return Dataset.load(folder / "cut")


def test_twins_are_known_also_where_the_record_has_no_room_for_them(bursts, tmp_path, monkeypatch):
    data, small = bursts[0], cut(bursts[0], tmp_path, monkeypatch)
    assert len(small.duplicates) == 5 < len(data.duplicates)
    assert (pictures_of(small, ["train"]) == pictures_of(data, ["train"])).all()


def without_column(table):
    return table.drop_columns(["twin"])


def without_rows(table):
    return table.slice(0, len(table) - 1)


def with_gap(table):
    return table.set_column(
        table.schema.get_field_index("twin"), "twin", pa.array([None, *table["twin"].to_pylist()[1:]], pa.string())
    )


@pytest.mark.parametrize("change", [without_column, without_rows, with_gap, None])
def test_a_damaged_list_of_twins_is_told(bursts, tmp_path, monkeypatch, change):
    small = cut(bursts[0], tmp_path, monkeypatch)
    whole = small.path / "whole_lists.parquet"
    if change:
        pq.write_table(change(pq.read_table(whole)), whole)
    else:
        whole.unlink()
    with pytest.raises(GraftError, match="whole_lists.parquet is damaged .* ingest it again"):
        pictures_of(small, ["train"])


@pytest.mark.parametrize("name", ["phash", "brightness", MINIATURE])
def test_a_damaged_index_is_told(bursts, tmp_path, name):
    def with_gaps(index):
        column = pa.array([None, *index[name].to_pylist()[1:]], index.schema.field(name).type)
        return index.set_column(index.schema.get_field_index(name), name, column)

    with pytest.raises(GraftError, match="index.parquet is damaged .* ingest it again"):
        pictures_of(altered(bursts[0], tmp_path, with_gaps), ["train", "validation"])


def test_folds_hold_the_same_picture_together_and_depend_on_the_order_of_content_alone():
    labels, pictures = np.arange(300) % 3, np.arange(300)
    pictures[[7, 3, 12, 9]] = [1, 9, 9, 9]
    folds = deal_folds(pictures, labels, FOLDS)
    assert folds[7] == folds[1] and folds[3] == folds[9] == folds[12]
    counts = np.bincount(labels * FOLDS + folds, minlength=3 * FOLDS)
    assert counts.min() >= 18 and counts.max() <= 22
    renamed = np.random.default_rng(0).permutation(300)[pictures]
    assert (deal_folds(renamed, labels, FOLDS) == folds).all()
