"""`graft gc` knows what parts leave: it removes what a killed run left, and keeps what one that goes on may use."""

import os
import sys
import time
from pathlib import Path

import pyarrow as pa
import pytest

sys.path.append(str(Path(__file__).parents[2] / "components" / "ingest"))

from pictures import encoded, image_files, noise, write_folder

from graft.components.common import storage
from graft.components.common.runs.part_record import recorded_part
from graft.components.common.runs.parts import PartNumber, parts_folder, plan_parts
from graft.components.common.runs.run import Run
from graft.components.common.runs.step_record import recorded
from graft.components.ingest.config import IngestConfig
from graft.components.ingest.ingest import ingest
from graft.components.ingest.parts.part import ingest_part
from graft.components.ingest.parts.plan import plan_ingest
from graft.pipelines.cli.app import app
from graft.pipelines.local.garbage import Store

CONFIG = IngestConfig(validation_fraction=0.4)
DAYS = 24 * 60 * 60


@pytest.fixture
def source(tmp_path):
    files = {path: encoded(noise(seed)) for seed, path in enumerate(image_files("cats", "dogs", images=15))}
    return str(write_folder(tmp_path / "source", files))


@pytest.fixture
def run(tmp_path, source):
    """A run that was killed when one of two parts of its ingest had ended."""
    run = Run(str(tmp_path / "store"), "pets", "run-1")
    with recorded("resolve", run):
        pass
    plan_ingest(source, CONFIG, "", run, "", 2, 1)
    with recorded_part("ingest", PartNumber(1, 2), run) as part:
        ingest_part(source, CONFIG, "", part, "")
    return run


def age(store, days, *but):
    """Makes all files of a store so old, but those whose paths hold one of some words."""
    then = time.time() - days * DAYS
    for path in Path(store).rglob("*"):
        if path.is_file() and not any(word in str(path.relative_to(store)) for word in but):
            os.utime(path, (then, then))


def found(store, days=7.0, keep=10):
    return {garbage.path: garbage.reason for garbage in Store(store).garbage(keep, days, ())}


def kept(store, folder):
    return {path for path in Store(store).files if path.startswith(folder)}


def test_what_a_killed_run_left_stays_as_long_as_another_may_go_on_with_it(run):
    assert found(run.store) == {}
    age(run.store, 6)
    assert found(run.store) == {}


def test_once_old_it_goes_with_its_images(run, capsys):
    age(run.store, 8)
    rows, shards = kept(run.store, "models/pets/rows/"), kept(run.store, "shards/")
    assert rows and shards
    parts = {f"models/pets/runs/run-1/parts/ingest/{name}" for name in ("plan.json", "items.parquet", "1.json")}
    assert found(run.store) == (
        dict.fromkeys(rows, "rows of images that no ingest came to use")
        | dict.fromkeys(shards, "images of no dataset in use")
        | dict.fromkeys(parts, "left over from a killed run")
    )
    app(["gc", "--store", run.store], result_action="return_value")
    assert "rows of images that no ingest came to use" in capsys.readouterr().out
    assert kept(run.store, "") == {"models/pets/runs/run-1/resolve.json"}


def test_shards_of_young_rows_are_in_use_and_an_ingest_goes_on_with_them(run, source, tmp_path):
    age(run.store, 8, "rows/")
    assert not [path for path in found(run.store) if path.startswith(("shards/", "models/pets/rows/"))]
    app(["gc", "--store", run.store], result_action="return_value")
    result = ingest(source, tmp_path / "dataset", CONFIG, run=Run(run.store, "pets", "run-2"))
    assert (result.images, kept(run.store, "models/pets/rows/")) == (30, set())


def test_rows_that_no_ingest_can_read_keep_no_shards(run):
    rows = {path: storage.read(f"{run.store}/{path}") for path in kept(run.store, "models/pets/rows/")}
    for damaged in (
        lambda whole: whole.replace(b'"schema_version":1', b'"schema_version":9'),
        lambda whole: whole[:-20],
        lambda whole: b"",
    ):
        for path, whole in rows.items():
            storage.write(f"{run.store}/{path}", damaged(whole))
        age(run.store, 8, "rows/")
        assert kept(run.store, "shards/") <= {*found(run.store)}


def test_of_a_step_that_has_ended_only_the_records_of_its_parts_stay_until_the_run_is_old(run, source, tmp_path):
    with recorded("ingest", run) as record:
        record.outcome = ingest(source, tmp_path / "dataset", CONFIG, run=run)
    plan_parts(run, "evaluate", pa.table({"sha256": ["0" * 64]}), 1, 1)
    with recorded("evaluate", run):
        pass
    storage.write(f"{parts_folder(run, 'evaluate')}/packs/1.arrow", b"predictions")
    age(run.store, 8)
    work = ("ingest/items.parquet", "evaluate/items.parquet", "evaluate/packs/1.arrow")
    assert found(run.store) == {
        f"models/pets/runs/run-1/parts/{path}": "what parts left to a step that has ended" for path in work
    }
    ingest(source, tmp_path / "later", CONFIG, run=Run(run.store, "pets", "run-2"))
    old = found(run.store, keep=1)
    records = ("ingest/plan.json", "ingest/1.json", "evaluate/plan.json")
    assert {old[f"models/pets/runs/run-1/parts/{path}"] for path in records} == {"records of an old run's parts"}
