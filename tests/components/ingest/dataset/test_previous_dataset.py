"""With a store, only new and changed images are read, decoded and written; all readers find the others."""

import dataclasses
import shutil

import numpy as np
import pytest
from pictures import encoded, image_files, noise, pack, record, rows, shard_records, write_folder
from test_leakage import FILES, PLANTED

from graft.components.common import storage
from graft.components.common.artifacts.dataset import Dataset
from graft.components.common.artifacts.shards.located import locate
from graft.components.common.runs.run import Run
from graft.components.ingest.config import IngestConfig
from graft.components.ingest.dataset.previous_dataset import latest_dataset
from graft.components.ingest.ingest import ingest

HALVES = IngestConfig(validation_fraction=0.4)


@pytest.fixture(params=["local", pytest.param("gcs", marks=pytest.mark.slow)])
def store(request, tmp_path):
    return str(tmp_path / "store") if request.param == "local" else request.getfixturevalue("bucket") + "/store"


def run(store, number):
    return Run(store, "pets", f"run-{number}")


def contents(dataset):
    """The encoded image behind every row of the index, by path: read the way that training reads."""
    loaded = Dataset.load(dataset)
    found = {}
    for split in loaded.counts:
        located = locate(loaded, split)
        records = [item for path in map(type(dataset), located.paths) for item in shard_records(path)]
        assert len(records) == located.records
        paths = loaded.index(split, ["path"])["path"]
        found |= {path: records[number]["image/encoded"] for path, number in zip(paths, located.numbers, strict=True)}
    return found


def test_only_what_is_new_or_changed(tmp_path, store, decoded):
    files = image_files("cats", "dogs", images=20)
    source = write_folder(tmp_path / "source", files)
    first = ingest(str(source), tmp_path / "first", HALVES, run=run(store, 1))
    assert (first.checked, first.reused, len(decoded)) == (40, 0, 40)
    assert first.bytes_read == sum(map(len, files.values()))
    assert contents(tmp_path / "first") == files
    assert {path.name for path in (tmp_path / "first").iterdir()} == {
        "dataset.json",
        "index.parquet",
        "left_out.parquet",
        "report.html",
    }
    decoded.clear()

    changes = {"cats/0.jpg": encoded(noise(900)), "dogs/new.jpg": encoded(noise(901))}
    write_folder(source, changes)
    (source / "dogs/1.jpg").unlink()
    (source / "dogs/2.jpg").rename(source / "dogs/moved.jpg")
    now = {**files, **changes, "dogs/moved.jpg": files["dogs/2.jpg"]}
    del now["dogs/1.jpg"], now["dogs/2.jpg"]
    second = ingest(str(source), tmp_path / "second", HALVES, run=run(store, 2), previous=latest_dataset(run(store, 2)))
    assert (second.checked, second.reused) == (2, 38) and sorted(decoded) == sorted(changes.values())
    assert second.bytes_read == sum(map(len, [*changes.values(), files["dogs/2.jpg"]]))
    assert contents(tmp_path / "second") == now
    old, new = ({shard["uri"] for shard in record(tmp_path / name)["shards"]} for name in ("first", "second"))
    assert old <= new and sum(s["images"] for s in record(tmp_path / "second")["shards"] if s["uri"] not in old) == 2

    anew = ingest(str(source), tmp_path / "anew", HALVES)
    assert anew.digest == second.digest
    looks = ["path", "sha256", "split", "label", "width", "height", "brightness", "phash", "conversions"]
    assert sorted([row[name] for name in looks] for row in rows(tmp_path / "second")) == sorted(
        [row[name] for name in looks] for row in rows(tmp_path / "anew")
    )


def test_what_was_no_usable_image_is_not_read_again_until_it_changes(tmp_path, store):
    files = image_files("cats", "dogs", images=20)
    whole, cut = files["cats/1.jpg"], files["cats/1.jpg"][:500]
    source = write_folder(tmp_path / "source", files | {"cats/1.jpg": cut, "dogs/2.jpg": b"no image"})
    reasons = []
    for number, read in enumerate((None, 0, len(whole))):
        if number == 2:
            write_folder(source, {"cats/1.jpg": whole})
        this = run(store, number)
        config = dataclasses.replace(HALVES, max_bad_fraction=0.5)
        result = ingest(str(source), tmp_path / f"{number}", config, run=this, previous=latest_dataset(this))
        assert read is None or result.bytes_read == read
        reasons.append({entry["path"]: entry["reason"] for entry in record(tmp_path / f"{number}")["excluded"]})
    assert reasons[0] == reasons[1] and set(reasons[0]) >= {"cats/1.jpg", "dogs/2.jpg"}
    assert set(reasons[2]) == set(reasons[0]) - {"cats/1.jpg"} and result.checked == 1


@pytest.mark.parametrize("container", ["folder", "tar"])
def test_a_record_is_one_images_also_where_two_have_the_same_bytes(tmp_path, decoded, container):
    store = str(tmp_path / "store")
    files = image_files("cats", "dogs", images=20)
    files["cats/twice.jpg"] = files["cats/3.jpg"]
    source = write_folder(tmp_path / "source", files)
    for number in range(3):
        if number == 2:
            files |= {"dogs/again.jpg": files["dogs/1.jpg"], "dogs/0-again.jpg": files["dogs/1.jpg"]}
            write_folder(source, files)
        given = source if container == "folder" else pack(files, tmp_path / f"{number}.tar")
        decoded.clear()
        this = run(store, number)
        result = ingest(str(given), tmp_path / f"{number}", HALVES, run=this, previous=latest_dataset(this))
        # What is the same in the same place is not decoded; each further copy is, once.
        assert len(decoded) == result.checked == (41, 0, 2)[number]
        assert contents(tmp_path / f"{number}") == files


def test_what_was_left_out_as_a_twin_is_not_read_again(tmp_path, decoded):
    store = str(tmp_path / "store")
    source = write_folder(tmp_path / "source", FILES | PLANTED)
    for number in range(3):
        decoded.clear()
        this = run(store, number)
        result = ingest(str(source), tmp_path / f"{number}", run=this, previous=latest_dataset(this))
        assert (result.checked, result.excluded) == (0 if number else len(FILES | PLANTED), len(PLANTED))
        assert len(decoded) == result.checked
    assert record(tmp_path / "0")["shards"] == record(tmp_path / "2")["shards"]


def test_a_trial_with_a_limit_does_not_bind(tmp_path):
    store = str(tmp_path / "store")
    source = write_folder(tmp_path / "source", image_files("cats", "dogs", images=20))
    ingest(str(source), tmp_path / "all", HALVES, run=run(store, 1))
    ingest(str(source), tmp_path / "few", IngestConfig(limit=8, validation_fraction=0.4), run=run(store, 2))
    assert latest_dataset(run(store, 3)).endswith("/run-1")


def test_a_shard_that_was_cut_short_is_not_used_again(tmp_path):
    store = tmp_path / "store"
    source = write_folder(tmp_path / "source", image_files("cats", "dogs", images=20))
    first = ingest(str(source), tmp_path / "first", HALVES, run=run(str(store), 1))
    for shard in (store / "shards").iterdir():
        shard.write_bytes(shard.read_bytes()[:-9])
    again = ingest(str(source), tmp_path / "again", HALVES, run=run(str(store), 2), previous=str(tmp_path / "first"))
    assert (again.checked, again.digest) == (40, first.digest)
    assert len(contents(tmp_path / "again")) == 40


def test_another_version_of_graft_checks_all_images_anew_but_keeps_their_splits(tmp_path, monkeypatch):
    store = str(tmp_path / "store")
    source = write_folder(tmp_path / "source", image_files("cats", "dogs", images=20))
    ingest(str(source), tmp_path / "first", HALVES, run=run(store, 1))
    monkeypatch.setattr("graft.components.ingest.dataset.previous_dataset.version", lambda name: "99")
    other = IngestConfig(validation_fraction=0.1)
    again = ingest(str(source), tmp_path / "again", other, run=run(store, 2), previous=str(tmp_path / "first"))
    assert again.checked == 40 and again.counts == record(tmp_path / "first")["counts"]
    assert any(
        "images of the earlier dataset stay in their split" in text for text in record(tmp_path / "again")["warnings"]
    )


def test_a_changed_label_is_no_new_image(tmp_path, decoded):
    store = str(tmp_path / "store")
    source = write_folder(tmp_path / "source", image_files("cats", "dogs", images=20))
    ingest(str(source), tmp_path / "first", HALVES, run=run(store, 1))
    decoded.clear()
    (source / "cats/3.jpg").rename(source / "dogs/was-a-cat.jpg")
    second = ingest(str(source), tmp_path / "second", HALVES, run=run(store, 2), previous=latest_dataset(run(store, 2)))
    assert (second.checked, second.reused, decoded) == (0, 40, [])
    loaded = Dataset.load(tmp_path / "second")
    for split in loaded.counts:
        labels = [loaded.classes.index(label) for label in loaded.index(split, ["label"])["label"]]
        assert list(locate(loaded, split).labels) == labels
    assert sum(loaded.counts[split]["dogs"] for split in loaded.counts) == 21


def test_a_file_that_changed_but_for_its_size_and_time_is_read(tmp_path, decoded):
    import os

    store = str(tmp_path / "store")
    images = {
        f"{label}/{n}.bmp": encoded(noise(10 * place + n), "BMP")
        for place, label in enumerate(("a", "b"))
        for n in range(9)
    }
    source = write_folder(tmp_path / "source", images)
    ingest(str(source), tmp_path / "first", HALVES, run=run(store, 1))
    decoded.clear()
    status = (source / "a/0.bmp").stat()
    (source / "a/0.bmp").write_bytes(encoded(noise(999), "BMP"))
    os.utime(source / "a/0.bmp", ns=(status.st_atime_ns, status.st_mtime_ns))
    second = ingest(str(source), tmp_path / "second", HALVES, run=run(store, 2), previous=latest_dataset(run(store, 2)))
    assert (second.checked, second.reused) == (1, 17)


def test_a_shard_that_the_store_has_lost_is_made_again(tmp_path):
    store = tmp_path / "store"
    source = write_folder(tmp_path / "source", image_files("cats", "dogs", images=20))
    first = ingest(str(source), tmp_path / "first", HALVES, run=run(str(store), 1))
    shutil.rmtree(store / "shards")
    again = ingest(str(source), tmp_path / "again", HALVES, run=run(str(store), 2), previous=str(tmp_path / "first"))
    assert (again.checked, again.reused, again.digest) == (40, 0, first.digest)
    assert len(contents(tmp_path / "again")) == 40


def test_another_store_takes_nothing_from_this_one(tmp_path):
    source = write_folder(tmp_path / "source", image_files("cats", "dogs", images=20))
    ingest(str(source), tmp_path / "first", HALVES, run=run(str(tmp_path / "store"), 1))
    for number, other in enumerate(("", str(tmp_path / "other"))):
        again = ingest(
            str(source), tmp_path / f"again-{number}", HALVES, run=run(other, 2), previous=str(tmp_path / "first")
        )
        assert (again.checked, again.reused) == (40, 0)
        assert len(contents(tmp_path / f"again-{number}")) == 40


def test_the_same_images_are_kept_once(tmp_path):
    store = str(tmp_path / "store")
    source = write_folder(tmp_path / "source", image_files("cats", "dogs", images=20))
    for number in range(2):
        ingest(str(source), tmp_path / f"{number}", HALVES, run=run(store, number))
    shards = list((tmp_path / "store/shards").iterdir())
    assert sorted(shard.name for shard in shards) == sorted(
        shard["uri"].rpartition("/")[2] for shard in record(tmp_path / "0")["shards"]
    )


def test_the_newest_dataset_of_the_name_is_the_previous_one(tmp_path, store, caplog):
    source = write_folder(tmp_path / "source", image_files("cats", "dogs", images=20))
    assert latest_dataset(run(store, 1)) == ""
    for number in (3, 1, 2):
        ingest(str(source), tmp_path / f"{number}", HALVES, run=run(store, number))
    assert latest_dataset(run(store, 9)).endswith("models/pets/runs/run-2")
    assert latest_dataset(Run(store, "cars", "run-1")) == ""
    assert latest_dataset(Run()) == ""
    storage.write(f"{run(store, 2).folder}/dataset.json", b"")  # as after a crash
    assert latest_dataset(run(store, 9)).endswith("models/pets/runs/run-1")
    assert "the dataset of run run-2 is passed over" in caplog.text and "run-2/dataset.json is damaged" in caplog.text
    storage.write(f"{run(store, 1).folder}/index.parquet", b"")
    assert latest_dataset(run(store, 9)).endswith("models/pets/runs/run-3")
    assert "run-1/index.parquet is damaged" in caplog.text


@pytest.mark.slow
def test_readers_see_the_images_in_the_order_of_the_index(tmp_path, store):
    from graft.components.common.compute.passes import read_images

    store_run = run(store, 1)
    files = {
        f"{label}/{n}.png": encoded(noise(50 * place + n), "PNG")
        for place, label in enumerate(("a", "b"))
        for n in range(30)
    }
    source = write_folder(tmp_path / "source", files)
    ingest(str(source), tmp_path / "first", HALVES, run=store_run)
    for number in range(0, 30, 3):
        (source / f"a/{number}.png").unlink()
    write_folder(source, {f"b/new-{n}.png": encoded(noise(500 + n), "PNG") for n in range(9)})
    ingest(str(source), tmp_path / "second", HALVES, run=run(store, 2), previous=latest_dataset(run(store, 2)))
    loaded = Dataset.load(tmp_path / "second")
    for split, every in (("train", 3), ("validation", 1)):
        paths = loaded.index(split, ["path"])["path"]
        wanted = np.arange(len(paths)) % every == every // 2
        images = list(read_images(loaded, split, None if every == 1 else wanted))
        for path, (pixels, label) in zip(np.array(paths)[wanted], images, strict=True):
            expected = np.asarray(noise_of(source / path))
            assert np.array_equal(pixels.numpy(), expected) and loaded.classes[int(label)] == path[0]


def noise_of(path):
    from PIL import Image

    return Image.open(path)


def test_an_earlier_dataset_of_which_the_record_has_not_all_binds_all_the_same(tmp_path, monkeypatch, caplog):
    store, bad = str(tmp_path / "store"), {f"cats/bad-{number}.jpg": b"no image" for number in range(3)}
    source = write_folder(tmp_path / "source", FILES | PLANTED | bad)
    config = IngestConfig(max_bad_fraction=0.5)
    whole = ingest(str(source), tmp_path / "whole", config)
    monkeypatch.setattr("graft.components.common.artifacts.dataset.MOST", 1)
    for number in range(3):
        this = run(store, number)
        result = ingest(str(source), tmp_path / f"{number}", config, run=this, previous=latest_dataset(this))
        assert (result.digest, result.excluded) == (whole.digest, whole.excluded)
        assert number == 0 or (result.checked, result.bytes_read) == (0, 0)
        assert len(record(tmp_path / f"{number}")["excluded"]) == 1
        kept = {file.name for file in storage.list(this.folder)}
        assert kept == {"dataset.json", "index.parquet", "left_out.parquet", "whole_lists.parquet"}
    storage.write(f"{run(store, 2).folder}/whole_lists.parquet", b"torn")
    assert latest_dataset(run(store, 3)) == run(store, 1).folder
    assert "is passed over" in caplog.text
