"""What a Dataset promises to its readers: record, index and shards agree with each other and with the files."""

import contextlib
import dataclasses
import hashlib
import json
from pathlib import Path

import pytest
from pictures import encoded, noise, record, rows, shard_records, split_files, stored, write_folder

from graft.components.common.artifacts.dataset import Dataset, content_digest
from graft.components.common.artifacts.record import SCHEMA_VERSION
from graft.components.common.artifacts.shards.located import locate
from graft.components.common.compute.passes import read_images
from graft.components.common.errors import GraftError
from graft.components.common.storage import sha256_file
from graft.components.ingest.config import IngestConfig
from graft.components.ingest.dataset.shards import KEPT_AT_ONCE, Shards
from graft.components.ingest.images.checked_image import check_image
from graft.components.ingest.ingest import ingest

COLUMNS = [
    *["sha256", "path", "split", "label", "width", "height", "brightness", "phash", "miniature"],
    *["conversions", "version", "shard", "record", "offset", "label_kept"],
]


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    folder = tmp_path_factory.mktemp("contract")
    files = split_files() | {"train/cats/9.png": encoded(noise(9, mode="RGBA"), "PNG"), "notes.txt": b""}
    ingest(str(write_folder(folder / "source", files)), folder / "dataset", source_digest="abc")
    return folder / "dataset"


def test_record(dataset):
    found = record(dataset)
    assert set(found) == {
        *("schema_version", "graft_version", "created", "classes", "counts", "digest", "source", "source_digest"),
        *("excluded", "duplicates", "fractions", "warnings", "converted", "ignored", "columns", "settings", "shards"),
        *("checked", "reused"),
    }
    assert found["schema_version"] == SCHEMA_VERSION
    assert found["counts"] == {"train": {"cats": 4, "dogs": 3}, "validation": {"cats": 3, "dogs": 3}}
    assert (found["source"], found["source_digest"]) == (str(dataset.parent / "source"), "abc")
    assert found["converted"] == {"alpha": 1} and found["ignored"] == ["notes.txt"]
    assert found["settings"] == dataclasses.asdict(IngestConfig())
    assert (found["checked"], found["reused"], found["duplicates"], found["fractions"]) == (13, 0, [], {})
    assert found["digest"] == content_digest((row["split"], row["label"], row["sha256"]) for row in rows(dataset))


def test_index_is_what_is_in_the_shards(dataset):
    index, classes = rows(dataset), record(dataset)["classes"]
    assert list(index[0]) == COLUMNS
    shards = [shard["uri"] for shard in record(dataset)["shards"]]
    in_shards = [(name, *numbered) for name in shards for numbered in enumerate(shard_records(dataset / name))]
    assert len(index) == len(in_shards) == 13
    for row, (shard, number, item) in zip(index, in_shards, strict=True):
        assert (row["shard"], row["record"]) == (shard, number)
        assert row["sha256"] == item["image/key/sha256"].decode()
        assert (row["path"], row["label"]) == (item["image/filename"].decode(), item["image/class/text"].decode())
        assert item["image/class/label"] == classes.index(row["label"])
        assert (row["width"], row["height"]) == (item["image/width"], item["image/height"]) == (24, 16)
        assert row["sha256"] == sha256_file(dataset.parent / "source" / row["path"])
        assert shard.startswith(row["split"]) and row["path"].startswith(row["split"])


def test_shards_are_what_the_record_says(dataset):
    for shard in record(dataset)["shards"]:
        content = (dataset / shard["uri"]).read_bytes()
        assert (shard["bytes"], shard["sha256"]) == (len(content), hashlib.sha256(content).hexdigest())
        assert shard["images"] == len(list(shard_records(dataset / shard["uri"])))
    assert {path.name for path in dataset.iterdir()} == {
        *(
            "dataset.json",
            "index.parquet",
            "left_out.parquet",
            "report.html",
            "train-00000.tfrecord",
            "validation-00000.tfrecord",
        ),
    }


def test_load(dataset):
    loaded = Dataset.load(dataset)
    assert (loaded.classes, loaded.count("train"), loaded.evaluation_split) == (("cats", "dogs"), 7, "validation")
    located = locate(loaded, "train")
    assert list(located.paths) == [str(dataset / "train-00000.tfrecord")]
    assert (located.records, list(located.numbers), list(located.labels)) == (7, list(range(7)), [0, 0, 0, 0, 1, 1, 1])
    assert loaded.index("validation", ["label"]) == {"label": ["cats"] * 3 + ["dogs"] * 3}
    with pytest.raises(GraftError, match="no split 'test': there are train, validation"):
        locate(loaded, "test")


def test_full_shards_are_closed_and_followed_by_others(tmp_path):
    files = split_files(images=1) | {
        f"train/cats/n{number}.png": encoded(noise(number, (400, 300)), "PNG") for number in range(8)
    }
    ingest(str(write_folder(tmp_path / "source", files)), tmp_path / "dataset", IngestConfig(shard_mebibytes=1))
    shards = [shard for shard in record(tmp_path / "dataset")["shards"] if shard["uri"].startswith("train")]
    assert [shard["uri"] for shard in shards] == [f"train-{number:05}.tfrecord" for number in range(3)]
    assert all(shard["bytes"] >= 2**20 for shard in shards[:-1])
    assert sum(shard["images"] for shard in shards) == 10
    in_shards = [
        item["image/filename"].decode()
        for shard in shards
        for item in shard_records(tmp_path / "dataset" / shard["uri"])
    ]
    assert [row["path"] for row in rows(tmp_path / "dataset") if row["split"] == "train"] == in_shards


def open_files(folder):
    opened = []
    for link in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):  # a thread has closed it meanwhile
            opened.append(link.readlink())
    return [path for path in opened if path.is_relative_to(folder)]


def test_only_one_file_a_split_is_open_besides_those_on_their_way_to_the_disk(tmp_path):
    image = check_image(encoded(noise(0)))
    with Shards(tmp_path, 1) as shards:
        for _ in range(12):
            shards.write("train", 0, "cats", "x.jpg", image)
            assert 1 <= len(open_files(tmp_path)) <= 1 + KEPT_AT_ONCE
    assert len(shards.finished) == len(list(tmp_path.iterdir())) == 12
    assert open_files(tmp_path) == []


def test_the_same_source_gives_the_same_bytes(tmp_path, dataset):
    ingest(str(dataset.parent / "source"), tmp_path / "again", source_digest="abc")
    for name in ("train-00000.tfrecord", "validation-00000.tfrecord", "index.parquet"):
        assert (tmp_path / "again" / name).read_bytes() == (dataset / name).read_bytes()


def test_class_names_can_not_forge_a_digest():
    two = [("train", "a", "0" * 64), ("train", "b", "1" * 64)]
    one = [("train", "a\t" + "0" * 64 + "\ntrain\tb", "1" * 64)]
    assert content_digest(two) != content_digest(one)


@pytest.mark.slow
def test_tensorflow_reads_the_shards(dataset, tmp_path):
    import numpy as np
    import tensorflow as tf
    from kinds import CONVERTED, KEPT

    images = {f"train/cats/{number}.x": content for number, content in enumerate(KEPT.values())}
    images |= {f"train/dogs/{number}.x": content for number, (content, _, _) in enumerate(CONVERTED.values())}
    ingest(str(write_folder(tmp_path / "source", split_files() | images)), tmp_path / "dataset")
    kept = stored(tmp_path / "dataset")
    loaded = Dataset.load(tmp_path / "dataset")
    features = {
        "image/filename": tf.io.FixedLenFeature([], tf.string),
        "image/class/label": tf.io.FixedLenFeature([], tf.int64),
    }
    names = [
        tf.io.parse_single_example(item, features)
        for item in tf.data.TFRecordDataset(list(locate(loaded, "train").paths))
    ]
    for example, (pixels, label) in zip(names, read_images(loaded, "train"), strict=True):
        item = kept[example["image/filename"].numpy().decode()]
        assert label == example["image/class/label"] == item["image/class/label"]
        assert pixels.shape == (item["image/height"], item["image/width"], 3)
        expected = check_image(item["image/encoded"])
        assert np.abs(pixels.numpy() @ [0.299, 0.587, 0.114]).mean() == pytest.approx(expected.brightness, abs=1)
    assert json.dumps(dict(loaded.converted))
