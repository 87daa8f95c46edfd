"""A source is checked in parts: however many there are, in whatever order they come and end, the Dataset is the same."""

import dataclasses
import subprocess
import sys
import threading
from pathlib import Path

import pyarrow as pa
import pytest
from awkward import CONFIG, awkward_files, corrected, facts, grown, kept, manifest, run_parts, step
from pictures import pack, shard_records, write_folder

from graft.components.common.artifacts.dataset import Dataset
from graft.components.common.errors import GraftError
from graft.components.common.runs.part_record import recorded_part
from graft.components.common.runs.parts import PartNumber, plan_parts, read_parts, read_plan
from graft.components.common.runs.run import Run
from graft.components.ingest.parts.part import ingest_part
from graft.components.ingest.parts.plan import plan_ingest
from graft.components.ingest.source import image_files

FILES = awkward_files()
LATER = grown(FILES)
GRAFT = Path(sys.executable).with_name("graft")


@pytest.fixture(params=["folder", "manifest"])
def weeks(request, tmp_path):
    """Writes the source of a week, and returns it."""

    def write(files):
        for path in (tmp_path / "files").glob("*/*"):
            if files.get(path.relative_to(tmp_path / "files").as_posix()) != path.read_bytes():
                path.unlink()
        there = {path: content for path, content in files.items() if not (tmp_path / "files" / path).exists()}
        folder = write_folder(tmp_path / "files", there)
        return manifest(tmp_path, files) if request.param == "manifest" else folder

    return write


@pytest.fixture
def source(tmp_path):
    """The source in a folder in which a test may write."""
    return write_folder(tmp_path / "files", FILES)


def run(tmp_path, store="store", number=1):
    return Run(str(tmp_path / store), "pets", f"run-{number}")


@pytest.fixture
def opened(monkeypatch):
    """The files of sources that were read, as they come."""
    seen, read_as = [], image_files.storage.read_as
    monkeypatch.setattr(image_files.storage, "read_as", lambda uri, *more: seen.append(uri) or read_as(uri, *more))
    return seen


def records_of(dataset):
    """What the shards of a dataset hold, by path in the source."""
    records = [item for shard in Dataset.load(dataset).shards for item in shard_records(Path(shard.uri))]
    by_path = {item["image/filename"]: item for item in records}
    assert len(by_path) == len(records)
    return by_path


def test_any_number_of_parts_makes_the_same_dataset_and_so_does_the_next_one(tmp_path, weeks, decoded, opened):
    config = corrected(tmp_path, FILES)
    parts = (0, 1, 2, 7)
    for week, files in enumerate((FILES, LATER)):
        source, found, read = weeks(files), [], []
        for count in parts:
            this = run(tmp_path, f"store-{count}", week)
            if count:
                assert run_parts(source, this, count, config) == count
            decoded.clear()
            opened.clear()
            assert bool(kept(this)) == (count > 1)
            output = tmp_path / f"{week}-{count}"
            result = step(source, output, this, config)
            found.append((facts(output, result), result.bytes_read, week or records_of(output)))
            read.append((len(decoded), len(opened)))
            assert not kept(this)
        assert found[1] == found[0]
        assert found[2] == found[0]
        assert found[3] == found[0]
        assert read[0] == read[1] > (50, 50)
        # The second one of images with the same bytes has a record of its own, which the step alone can see.
        assert read[2] == read[3] == ((10, 10) if week else (0, 0))


def test_a_trial_with_a_limit_is_the_same_and_leaves_what_the_whole_source_needs(tmp_path, awkward, decoded):
    config, this = dataclasses.replace(CONFIG, limit=40), run(tmp_path)
    alone = step(awkward, tmp_path / "alone", config=config)
    run_parts(awkward, this, 3, config)
    decoded.clear()
    assert facts(tmp_path / "parts", step(awkward, tmp_path / "parts", this, config)) == facts(
        tmp_path / "alone", alone
    )
    assert decoded == []
    whole = step(awkward, tmp_path / "whole", run(tmp_path, number=2))
    assert len(decoded) == len(FILES) - 80 and whole.checked == facts(tmp_path / "whole", whole)[0]["checked"] == 178
    assert not kept(this)


def test_parts_tell_how_far_they_are_and_the_plan_what_is_to_be_done(tmp_path, awkward):
    this = run(tmp_path)
    run_parts(awkward, this, 3)
    plan, parts = read_plan(this, "ingest"), read_parts(this, "ingest")
    assert (plan.parts, plan.work) == (3, len(FILES))
    assert [part.done for part in parts] == [part.planned for part in parts]
    assert sum(part.done for part in parts) == len(FILES) and {part.status for part in parts} == {"succeeded"}


def test_only_what_is_new_is_planned_and_little_of_it_is_one_part(tmp_path, source):
    step(source, tmp_path / "first", run(tmp_path))
    again = run(tmp_path, number=2)
    write_folder(source, {path: LATER[path] for path in LATER if path.startswith("cats/new-")})
    assert plan_ingest(str(source), CONFIG, "", again, f"{again.store}/models/pets/runs/run-1", 9, 30) == ["1/2", "2/2"]
    assert read_plan(again, "ingest").work == 40
    assert plan_ingest(str(source), CONFIG, "", again, f"{again.store}/models/pets/runs/run-1", 9, 100) == ["1/1"]


def test_an_archive_is_one_part_and_is_not_opened_for_a_plan(tmp_path):
    this, archive = run(tmp_path), tmp_path / "photos.zip"
    archive.write_bytes(b"nothing that could be opened")
    assert plan_ingest(str(archive), CONFIG, "", this, "", 9, 1) == ["1/1"]
    with recorded_part("ingest", PartNumber(1, 1), this) as part:
        ingest_part(str(archive), CONFIG, "", part, "")


def test_an_archive_can_be_shared_by_hand(tmp_path, alone):
    this, archive = run(tmp_path), pack(FILES, tmp_path / "photos.zip")
    for number in (2, 1):
        with recorded_part("ingest", PartNumber(number, 2), this) as part:
            ingest_part(str(archive), CONFIG, "", part, "")
    assert step(archive, tmp_path / "parts", this).digest == alone[3]["digest"]


@pytest.mark.parametrize("half", ["first", "second"])
def test_rows_that_are_missing_are_made_up_for(tmp_path, awkward, alone, decoded, half):
    this = run(tmp_path)
    numbers = ["1/2"] if half == "first" else ["2/2"]
    run_parts(awkward, this, 2, numbers=numbers)
    decoded.clear()
    assert facts(tmp_path / "parts", step(awkward, tmp_path / "parts", this)) == alone
    assert abs(len(decoded) - len(FILES) / 2) <= 2


def test_a_shard_that_is_missing_is_made_again(tmp_path, shared_out, awkward, alone, decoded):
    shards = sorted(Path(shared_out.store).glob("shards/*.tfrecord"))
    assert len(shards) >= 4
    shards[0].unlink()
    shards[1].write_bytes(shards[1].read_bytes()[:-1])
    assert facts(tmp_path / "parts", step(awkward, tmp_path / "parts", shared_out)) == alone
    assert 0 < len(decoded) < len(FILES) / 2


def test_a_source_that_changes_between_plan_parts_and_step(tmp_path, source, decoded):
    this = run(tmp_path)
    plan_ingest(str(source), CONFIG, "", this, "", 2, 1)
    gone = next(path for path in FILES if path.startswith("cats/0"))
    (source / gone).unlink()
    for item in ("2/2", "1/2"):
        with recorded_part("ingest", PartNumber.parse(item), this) as part:
            ingest_part(str(source), CONFIG, "", part, "")
    assert sum(part.done for part in read_parts(this, "ingest")) == len(FILES)
    now = {"cats/010.jpg": FILES["dogs/kept jpeg"], "dogs/late.jpg": FILES["cats/001.jpg"]}
    write_folder(source, now)
    decoded.clear()
    found = facts(tmp_path / "parts", step(source, tmp_path / "parts", this))
    assert sorted(decoded) == sorted(now.values())
    assert found == facts(tmp_path / "anew", step(source, tmp_path / "anew"))


def test_a_part_leaves_it_to_the_step_whether_too_many_files_are_damaged(tmp_path, awkward):
    config, this = dataclasses.replace(CONFIG, max_bad_fraction=0.01), run(tmp_path)
    run_parts(awkward, this, 2, config)
    with pytest.raises(GraftError, match="17 of 195 files can't be used"):
        step(awkward, tmp_path / "parts", this, config)
    assert kept(this)


def test_a_list_of_other_work_is_refused(tmp_path, awkward):
    plan_parts(run(tmp_path), "ingest", pa.table({"row": [1, 2]}), 2, 1)
    refused = pytest.raises(GraftError, match="holds no paths of images")
    with refused, recorded_part("ingest", PartNumber(1, 2), run(tmp_path)) as part:
        ingest_part(str(awkward), CONFIG, "", part, "")


def test_two_steps_at_once_use_the_same_rows(tmp_path, awkward, alone):
    run_parts(awkward, run(tmp_path), 3)
    found = {}
    both = [
        threading.Thread(
            target=lambda name=name: found.update({name: step(awkward, tmp_path / name, run(tmp_path, number=name))})
        )
        for name in ("one", "two")
    ]
    for thread in both:
        thread.start()
    for thread in both:
        thread.join()
    assert {result.digest for result in found.values()} == {alone[3]["digest"]} and len(found) == 2
    assert not kept(run(tmp_path))


def test_by_the_command_line_also_twice_at_once(tmp_path, awkward, alone, decoded):
    store = tmp_path / "store"
    options = f"--validation-fraction 0.3 --max-bad-fraction 0.5 --shard-mebibytes 1 --store {store} --name pets --run-id run-1"

    def start(part):
        command = [GRAFT, "ingest", "--source", awkward, *options.split(), "--part", part]
        return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)

    for part, times in (("3/3", 2), ("1/3", 1)):
        for process in [start(part) for _ in range(times)]:
            output, _ = process.communicate()
            assert process.returncode == 0 and f"part {part} is done" in output, output
    assert facts(tmp_path / "parts", step(awkward, tmp_path / "parts", run(tmp_path))) == alone
    assert abs(len(decoded) - len(FILES) / 3) < 3
