"""`graft gc` against steps that are at work: what they have written, or rely on, is never deleted."""

import hashlib
import logging
import os
import random
import shutil
import threading
import time
from pathlib import Path

import pytest
from pictures import encoded, noise, write_folder

from graft.components.common import storage
from graft.components.common.artifacts.dataset import Dataset
from graft.components.common.artifacts.shards.in_use import in_use
from graft.components.common.errors import GraftError
from graft.components.common.runs.run import Run
from graft.components.ingest.config import IngestConfig
from graft.components.ingest.ingest import ingest
from graft.pipelines.cli.app import app
from graft.pipelines.local.garbage import Store

TRIALS = int(os.environ.get("GRAFT_RACE_TRIALS", "2"))
CONFIG = IngestConfig(validation_fraction=0.4)


def folder_of(root, first):
    files = {
        f"{label}/{seed}.jpg": encoded(noise(first + seed + 50 * (label == "dogs")))
        for label in ("cats", "dogs")
        for seed in range(8)
    }
    return str(write_folder(root, files))


def collect(store):
    app(["gc", "--store", store, "--keep-runs", "1"], result_action="return_value")


def age(store, days=8):
    """Makes all new files of a store older than what gc leaves alone."""
    for path in Path(store).rglob("*"):
        if path.stat().st_mtime > time.time() - 86400:
            os.utime(path, (time.time() - days * 86400,) * 2)


def dangling(dataset):
    """The shards of a dataset that are gone, or another file."""
    shards = Dataset.load(dataset).shards
    return [
        shard.uri
        for shard in shards
        if not Path(shard.uri).is_file() or hashlib.sha256(Path(shard.uri).read_bytes()).hexdigest() != shard.sha256
    ]


def test_datasets_of_the_last_days_keep_what_they_need_however_many_there_are(tmp_path):
    store = str(tmp_path / "store")
    sources = [folder_of(tmp_path / f"source-{number}", 100 * number) for number in range(2)]
    for number, source in enumerate(sources):
        ingest(source, tmp_path / f"first-{number}", CONFIG, run=Run(store, run_id=f"old-{number}"))
    age(store)
    for number, source in enumerate(sources):
        previous = str(tmp_path / f"first-{number}")
        ingest(source, tmp_path / f"new-{number}", CONFIG, run=Run(store, run_id=f"new-{number}"), previous=previous)
    collect(store)
    assert [dangling(tmp_path / f"new-{number}") for number in range(2)] == [[], []]


def test_what_is_read_stays_and_what_a_killed_step_announced_counts_for_a_week(stale):
    store, first = stale
    with in_use(Dataset.load(first)):
        collect(store)
        assert dangling(first) == []
        for path in (Path(store) / "shards" / "in-use").iterdir():
            os.utime(path, (time.time() - 8 * 86400,) * 2)
        collect(store)
    assert dangling(first) and left_over(store) == []


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """What `stale` is made from, since a dataset names its shards by where they are."""
    root = tmp_path_factory.mktemp("gc")
    for number, name in enumerate(("first", "other")):
        source = folder_of(root / f"{name}-source", 500 * number)
        ingest(source, root / name, CONFIG, run=Run(str(root / "store"), run_id=name))
        age(root / "store", 9 - number)
    (root / "store").rename(root / "kept")
    return root


@pytest.fixture
def stale(made):
    """A store with a dataset that nothing refers to any more, and a newer one; all of it is old."""
    shutil.copytree(made / "kept", made / "store")
    yield str(made / "store"), made / "first"
    shutil.rmtree(made / "store")


def left_over(store):
    return [path for path in Path(store, "shards").rglob("*") if path.is_file() and path.suffix != ".tfrecord"]


@pytest.mark.parametrize("how", ["taken over", "written again"])
@pytest.mark.parametrize("when", ["after it listed", "before a shard's end", "after a shard's end"])
def test_a_step_that_begins_while_gc_is_at_work_keeps_its_images(tmp_path, stale, monkeypatch, when, how):
    store, first = stale
    second, begun = tmp_path / "second", []
    delete, garbage = storage.delete, Store.garbage

    def step():
        if not begun:
            begun.append(True)
            previous = str(first) if how == "taken over" else ""
            ingest(
                str(first.with_name("first-source")), second, CONFIG, run=Run(store, run_id="second"), previous=previous
            )

    def deleting(uri):
        is_shard = uri.endswith(".tfrecord")
        if is_shard and when == "before a shard's end":
            step()
        delete(uri)
        if is_shard and when == "after a shard's end":
            step()

    def listed(*arguments):
        found = garbage(*arguments)
        if when == "after it listed":
            step()
        return found

    monkeypatch.setattr(storage, "delete", deleting)
    monkeypatch.setattr(Store, "garbage", listed)
    collect(store)
    assert begun and dangling(second) == [] and left_over(store) == []


def test_a_store_that_can_only_be_read_is_read(stale, caplog):
    store, first = stale
    Path(store, "shards", "in-use").write_text("so that nothing can be written below")
    caplog.set_level(logging.INFO, logger="graft")
    with in_use(Dataset.load(first)):
        assert "graft gc can't be told" in caplog.text


def test_a_store_that_is_not_on_this_machine_is_not_made(stale):
    store, first = stale
    away = Path(store).rename(f"{store}-away")
    with in_use(Dataset.load(first)):
        assert not Path(store).exists()
    away.rename(store)


def test_who_wants_to_read_what_gc_deletes_is_told(stale, monkeypatch):
    store, first = stale
    delete, told = storage.delete, []

    def deleting(uri):
        if uri.endswith(".tfrecord"):
            with pytest.raises(GraftError) as refused, in_use(Dataset.load(first)):
                pytest.fail("it began")
            told.append(str(refused.value))
        delete(uri)

    monkeypatch.setattr(storage, "delete", deleting)
    collect(store)
    assert told and all("graft gc is at work on images of" in sentence for sentence in told)
    assert left_over(store) == []


@pytest.mark.parametrize("how", ["taken over", "written again"])
def test_gc_against_ingest(tmp_path, how):
    source, other = folder_of(tmp_path / "source", 0), folder_of(tmp_path / "other", 500)
    rng = random.Random(0)
    for trial in range(TRIALS):
        store, first, second = (
            str(tmp_path / f"store-{trial}"),
            tmp_path / f"first-{trial}",
            tmp_path / f"second-{trial}",
        )
        ingest(source, first, CONFIG, run=Run(store, run_id="a"))
        began = time.monotonic()
        ingest(other, tmp_path / f"other-{trial}", CONFIG, run=Run(store, run_id="b"))
        end, wait = threading.Event(), rng.uniform(0, time.monotonic() - began)
        age(store)

        def gc(store=store, end=end, wait=wait):
            time.sleep(wait)
            while not end.is_set():
                collect(store)

        collecting = threading.Thread(target=gc)
        collecting.start()
        try:
            previous = str(first) if how == "taken over" else ""
            ingest(source, second, CONFIG, run=Run(store, run_id="c"), previous=previous)
        finally:
            end.set()
            collecting.join()
        collect(store)
        assert dangling(second) == [] and left_over(store) == []
