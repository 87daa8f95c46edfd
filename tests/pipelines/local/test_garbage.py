"""`graft gc` removes what nothing refers to, and only that."""

import os
import shutil
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from exports import make_export, model_digest

sys.path.append(str(Path(__file__).parents[2] / "components" / "ingest"))

from pictures import encoded, image_files, noise, record, write_folder

from graft.components.common import storage
from graft.components.common.artifacts.checksums import write_sums
from graft.components.common.artifacts.dataset import Dataset
from graft.components.common.artifacts.lists.source_listing import LISTING
from graft.components.common.artifacts.shards.located import locate
from graft.components.common.compute.kept_features import FeatureCache
from graft.components.common.errors import GraftError
from graft.components.common.registry.registry import Registry
from graft.components.common.runs.run import Run
from graft.components.evaluate.predictions.kept_predictions import PredictionCache
from graft.components.ingest.config import IngestConfig
from graft.components.ingest.dataset.previous_dataset import latest_dataset
from graft.components.ingest.ingest import ingest
from graft.components.train.fit.checkpoints import Checkpoint, Checkpoints
from graft.pipelines.cli.app import app
from graft.pipelines.local.garbage import Store

NAMES = ("dataset.json", "index.parquet", "left_out.parquet")
CONFIG = IngestConfig(validation_fraction=0.4)
KIND = {"cut": "mixed7"}


@pytest.fixture(params=["local", pytest.param("gcs", marks=pytest.mark.slow)])
def store(request, tmp_path):
    return str(tmp_path / "store") if request.param == "local" else request.getfixturevalue("bucket") + "/store"


@pytest.fixture
def history(tmp_path, store):
    """Three runs of a name, each with other images, whose features were kept; a checkpoint; a killed writer's leftover."""
    digests = []
    for number in range(3):
        source = write_folder(
            tmp_path / f"source-{number}",
            {
                path: encoded(noise(100 * number + seed))
                for seed, path in enumerate(image_files("cats", "dogs", images=15))
            },
        )
        run = Run(store, "pets", f"run-{number}")
        ingest(str(source), tmp_path / f"dataset-{number}", CONFIG, run=run, previous=latest_dataset(run))
        images = [sha256 for split in ("train", "validation") for sha256 in index(tmp_path, number, split)]
        storage.write(f"{run.folder}/labels.csv", b"sha256,correction")
        cache = FeatureCache(store, KIND)
        cache.keep(images, np.full((len(images), 4), number, np.float16))
        cache.flush()
        digests.append(images)
    Checkpoints(store, {"run": 1}).save("head", 5, Checkpoint({}, [np.zeros(3)]))
    storage.write(f"{store}/models/pets/runs/run-2/train.json", b"{}")
    storage.write(f"{store}/models/pets/runs/run-3/{LISTING}", b"of a run that was killed before its ingest")
    storage.write(f"{store}/features/x/.killed.0123.part", b"half")
    return digests


def index(tmp_path, number, split):
    return Dataset.load(tmp_path / f"dataset-{number}").index(split, ["sha256"])["sha256"]


def removed(store, *options):
    app(["gc", "--store", store, "--min-age-days", "0", *options], result_action="return_value")


def names(store):
    return set(Store(store).files)


def shards(tmp_path, number):
    return {f"shards/{shard['uri'].rpartition('/')[2]}" for shard in record(tmp_path / f"dataset-{number}")["shards"]}


def test_what_recent_runs_need_stays_and_the_rest_goes(tmp_path, store, history, capsys):
    before = names(store)
    removed(store, "--keep-runs", "1", "--dry-run")
    told = capsys.readouterr().out
    assert names(store) == before and "would be deleted" in told
    removed(store, "--keep-runs", "1")
    after = names(store)
    gone = before - after
    assert f"{len(gone)} files of" in capsys.readouterr().out and all(path in told for path in gone)
    assert shards(tmp_path, 2) <= after
    assert (shards(tmp_path, 0) | shards(tmp_path, 1)) - shards(tmp_path, 2) <= gone
    assert {f"models/pets/runs/run-{n}/{name}" for n in (0, 1) for name in (*NAMES, "labels.csv")} <= gone
    assert {f"models/pets/runs/run-2/{name}" for name in ("train.json", "labels.csv")} <= after
    assert not [path for path in after if path.startswith("checkpoints/") or path.endswith((".part", LISTING))]
    cache = FeatureCache(store, KIND)
    assert [cache.find(images, 4)[1].all() for images in history] == [False, False, True]
    assert len(list(locate(Dataset.load(tmp_path / "dataset-2"), "train").numbers)) > 0


def test_young_files_stay(store, history):
    before = names(store)
    app(["gc", "--store", store, "--keep-runs", "1"], result_action="return_value")
    assert names(store) == before


def test_a_version_and_a_named_dataset_keep_what_they_need(tmp_path, store, history):
    for name in ("dataset.json", "index.parquet"):
        storage.write(f"{store}/models/pets/versions/v1/lineage/{name}", (tmp_path / "dataset-0" / name).read_bytes())
    removed(store, "--keep-runs", "1", "--dataset", str(tmp_path / "dataset-1"))
    assert shards(tmp_path, 0) | shards(tmp_path, 1) | shards(tmp_path, 2) <= names(store)
    cache = FeatureCache(store, KIND)
    assert all(cache.find(images, 4)[1].all() for images in history)


def test_predictions_go_with_their_images_and_with_the_version_that_made_them(tmp_path, store, history):
    make_export(tmp_path / "export", 1)
    registry = Registry(store, "pets")
    version = registry.publish(tmp_path / "export")

    def found():
        caches = {model: PredictionCache(store, {"model": model}) for model in (model_digest(1), model_digest(2))}
        return [cache.find(images, 2)[1].all() for cache in caches.values() for images in history]

    for model in (model_digest(1), model_digest(2)):
        for images in history:
            cache = PredictionCache(store, {"model": model})
            cache.keep(images, np.full((len(images), 2), 0.5, np.float32))
            cache.flush()
    assert found() == [True] * 6
    removed(store, "--keep-runs", "1")
    assert found() == [False, False, True, False, False, False]
    storage.delete_folder(registry.versions.uri(version))
    removed(store, "--keep-runs", "1")
    assert not [path for path in names(store) if path.startswith("predictions/")]


def test_a_version_s_dataset_that_was_changed_stops_it(tmp_path, store, history):
    make_export(tmp_path / "export", 1)
    for name in ("dataset.json", "index.parquet"):
        shutil.copyfile(tmp_path / "dataset-0" / name, tmp_path / "export/lineage" / name)
    (tmp_path / "export/SHA256SUMS").unlink()
    write_sums(tmp_path / "export")
    registry = Registry(store, "pets")
    uri = registry.versions.uri(registry.publish(tmp_path / "export"))
    storage.put(tmp_path / "dataset-2/dataset.json", f"{uri}/lineage/dataset.json")
    before = names(store)
    with pytest.raises(GraftError, match=r"lineage/dataset.json has the SHA-256"):
        removed(store, "--keep-runs", "1")
    assert names(store) == before
    storage.put(tmp_path / "dataset-0/dataset.json", f"{uri}/lineage/dataset.json")
    removed(store, "--keep-runs", "1")
    assert shards(tmp_path, 0) <= names(store)


def test_a_damaged_dataset_in_use_stops_it(store, history):
    storage.write(f"{store}/models/pets/runs/run-2/dataset.json", b"{")
    before = names(store)
    with pytest.raises(GraftError, match="nothing was deleted"):
        removed(store)
    assert names(store) == before


def test_a_clock_that_is_ahead_stops_it(store, history, monkeypatch):
    before, now = names(store), time.time
    monkeypatch.setattr(time, "time", lambda: now() + 8 * 86400)
    with pytest.raises(GraftError, match="clock is 192 hours ahead of .*: set it by NTP; nothing was deleted"):
        removed(store, "--keep-runs", "1")
    assert names(store) == before


def test_other_files_are_never_touched(tmp_path):
    store = tmp_path / "store"
    write_folder(
        store, {"notes.txt": b"x", "shards/readme.txt": b"x", "models/pets/latest.json": b"{}", "photo.part": b"x"}
    )
    for path in store.rglob("*"):
        os.utime(path, (time.time() - 1e8, time.time() - 1e8))
    assert Store(str(store)).garbage(1, 0, ()) == []


@pytest.mark.parametrize("store", ["", "gs://", "folder"])
def test_what_is_no_store_is_refused(tmp_path, monkeypatch, store):
    monkeypatch.chdir(tmp_path)
    write_folder(tmp_path, {"folder/x.txt": b"x", "sub/.mine.part": b"x"})
    with pytest.raises(GraftError, match="names no folder|is no store"):
        removed(store)
    assert (tmp_path / "sub/.mine.part").exists()


def test_a_file_that_was_written_anew_meanwhile_stays(tmp_path, history, store):
    opened = Store(store)
    found = opened.garbage(1, 0, ())
    chosen = next(garbage for garbage in found if garbage.path.startswith("shards/"))
    time.sleep(1.1)  # the coarsest of the stores' clocks
    storage.write(f"{store}/{chosen.path}", b"anew")
    opened.remove(chosen)
    assert chosen.path in names(store)


def test_a_store_that_is_not_there(tmp_path):
    with pytest.raises(GraftError, match="doesn't exist"):
        Store(str(tmp_path / "nowhere"))
