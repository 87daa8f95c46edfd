"""A step's work in parts: shares, the plan, and what a part leaves on record."""

import pyarrow as pa
import pytest

from graft.components.common import storage
from graft.components.common.errors import GraftError
from graft.components.common.runs.part_record import component_part, recorded_part
from graft.components.common.runs.parts import PartNumber, parts_folder, plan_parts, read_parts, read_plan, share_of
from graft.components.common.runs.run import Run


@pytest.fixture
def run(tmp_path):
    return Run(str(tmp_path / "store"), "pets", "run-1")


def items(count):
    return pa.table({"path": [f"{number}.jpg" for number in range(count)]})


def unused():
    raise AssertionError("the plan is there")


@pytest.mark.parametrize(("count", "of"), [(0, 3), (2, 7), (846, 7), (50, 50), (10, 1)])
def test_shares_are_disjoint_whole_and_even(count, of):
    shares = [range(count)[PartNumber(number + 1, of).share(count)] for number in range(of)]
    assert [number for share in shares for number in share] == list(range(count))
    assert max(map(len, shares)) - min(map(len, shares)) <= 1


@pytest.mark.parametrize("text", ["0/2", "3/2", "2", "a/b", "-1/2", "1/2/3", "1/99999", "1 /2", "１/２"])
def test_what_is_no_part_is_refused_with_an_example(text):
    with pytest.raises(GraftError, match="2/7"):
        PartNumber.parse(text)


@pytest.mark.parametrize(("work", "parts"), [(0, 1), (1, 1), (100, 1), (101, 2), (799, 8), (100_000, 8)])
def test_there_are_as_many_parts_as_the_work_is_worth(run, work, parts):
    planned = plan_parts(run, "ingest", items(work), 8, 100)
    assert planned == [f"{number}/{parts}" for number in range(1, parts + 1)]
    plan = read_plan(run, "ingest")
    assert plan is not None
    assert (plan.parts, plan.work) == (parts, work)


def test_parts_share_what_was_planned_in_its_order(run):
    plan_parts(run, "train", items(10), 3, 1)
    shares = [share_of(run, "train", PartNumber(number, 3), unused) for number in (1, 2, 3)]
    assert pa.concat_tables(shares).equals(items(10))


def test_a_part_that_is_started_by_hand_plans_for_all(run):
    assert read_plan(run, "train") is None
    first = share_of(run, "train", PartNumber(1, 2), lambda: items(4))
    second = share_of(run, "train", PartNumber(2, 2), unused)
    assert pa.concat_tables([first, second]).equals(items(4))
    assert read_plan(run, "train").parts == 2


def test_a_damaged_list_of_the_work_is_named(run):
    plan_parts(run, "train", items(10), 3, 1)
    uri = f"{parts_folder(run, 'train')}/items.parquet"
    storage.write(uri, storage.read(uri)[:-10])
    with pytest.raises(GraftError, match=r"items\.parquet is damaged .* remove it"):
        share_of(run, "train", PartNumber(1, 3), unused)


def test_a_part_tells_how_far_it_is_and_that_it_is_done(run):
    with recorded_part("ingest", PartNumber(2, 3), run) as part:
        part.begin(5)
        (begun,) = read_parts(run, "ingest")
        part.advance(5)
    (record,) = read_parts(run, "ingest")
    assert (begun.status, begun.planned, begun.done) == ("running", 5, 0)
    assert (record.number, record.of, record.status, record.done, record.reason) == (2, 3, "succeeded", 5, "")


def test_a_component_whose_part_fails_says_why_and_ends_well(run, caplog):
    with component_part("ingest", run.store, run.name, "projects/1/pipelineJobs/run-1", "1/2") as part:
        part.begin(2)
        raise GraftError("The server stays away.")
    (record,) = read_parts(run, "ingest")
    assert (record.status, record.reason) == ("failed", "The server stays away.")
    assert "leaves its work to the step" in caplog.text


def test_the_log_of_a_component_whose_part_fails_has_no_secret(run, caplog):
    signed = "https://images.example/a.jpg?X-Amz-Signature=5ec2e7"
    with component_part("ingest", run.store, run.name, run.run_id, "1/2"):
        raise GraftError(f"{signed} can't be read.") from OSError(f"403, url={signed}")
    assert "can't be read" in caplog.text and "5ec2e7" not in caplog.text
    assert "5ec2e7" not in read_parts(run, "ingest")[0].reason


def test_by_hand_a_failure_is_one(run):
    with pytest.raises(GraftError, match="stays away"), recorded_part("ingest", PartNumber(1, 2), run):
        raise GraftError("The server stays away.")
    assert read_parts(run, "ingest")[0].status == "failed"


def test_a_part_that_is_told_to_end_is_tried_again(run):
    with pytest.raises(KeyboardInterrupt), component_part("train", run.store, run.name, run.run_id, "1/2") as part:
        part.begin(2)
        raise KeyboardInterrupt
    assert read_parts(run, "train")[0].status == "running"


def test_a_part_needs_a_store():
    with pytest.raises(GraftError, match="--store"), recorded_part("ingest", PartNumber(1, 2), Run()):
        pass
