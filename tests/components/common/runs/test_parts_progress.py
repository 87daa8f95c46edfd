"""How far the parts of a step are is counted in the store, and those that were killed are told from those that gave up."""

import pyarrow as pa
import pytest
from run_records import leave_records

from graft.components.common.errors import GraftError
from graft.components.common.runs import part_record
from graft.components.common.runs.history import read_history
from graft.components.common.runs.part_record import component_part
from graft.components.common.runs.parts import plan_parts
from graft.components.common.runs.parts_progress import lost_parts, parts_of, parts_under_way
from graft.components.common.runs.run import Run
from graft.components.common.runs.step_record import component_step, mark_cancelled, read_run, recorded
from graft.components.notify.notify import notify
from graft.pipelines.local.history_page import cells

STORES = ["local", pytest.param("gcs", marks=pytest.mark.slow)]


@pytest.fixture(params=STORES)
def run(request, tmp_path):
    store = str(tmp_path / "store") if request.param == "local" else request.getfixturevalue("bucket") + "/store"
    return Run(store, "pets", "run-1")


def plan(run, step="ingest", images=3000, parts=3):
    """Leaves the records of a run that came to a step, of which the work is planned."""
    leave_records(run, until={"ingest": "resolve", "train": "ingest", "evaluate": "train"}[step])
    plan_parts(run, step, pa.table({"path": [str(number) for number in range(images)]}), parts, 1)


def work(run, number, images, error=None, step="ingest", of=3):
    """A part that gets so far, and ends as KFP sees it end."""
    with component_part(step, run.store, run.name, run.run_id, f"{number}/{of}") as part:
        part.begin(1000)
        part.advance(images)
        if error:
            raise error


def killed(run, number, images, **of):
    with pytest.raises(KeyboardInterrupt):  # which is no error of its own
        work(run, number, images, KeyboardInterrupt(), **of)


@pytest.fixture(autouse=True)
def at_once(monkeypatch):
    """What a part tells is in the store at once."""
    monkeypatch.setattr(part_record, "_SECONDS", 0.0)
    monkeypatch.setattr(part_record, "_SECONDS_HERE", 0.0)


def test_what_the_parts_did_is_added_up(run):
    plan(run)
    before = parts_under_way(run, read_run(run))
    assert (before.text, before.over, before.heard) == ("0 of 3,000 images, 0 of 3 parts done", False, None)
    work(run, 1, 1000)
    killed(run, 2, 200)
    now = parts_under_way(run, read_run(run))
    assert (now.text, now.over) == ("1,200 of 3,000 images, 1 of 3 parts done", False)
    assert now.doing == "checking images in 3 parts"
    work(run, 3, 10, GraftError("The server stays away."))
    work(run, 2, 1000)  # tried again
    now = parts_under_way(run, read_run(run))
    assert (now.text, now.over) == ("2,010 of 3,000 images, 2 of 3 parts done, 1 failed", True)
    assert [record.reason for record in now.failed] == ["The server stays away."]


def test_a_step_without_parts_or_with_one_that_is_none_has_no_progress(run):
    leave_records(run, until="resolve")
    assert parts_under_way(run, read_run(run)) is None
    plan(run, images=1, parts=8)
    assert parts_of(run, "ingest") is None


def test_once_the_step_has_ended_its_parts_are_told_of_no_more(run):
    plan(run, "train")
    killed(run, 1, 5, step="train")
    assert parts_under_way(run, read_run(run)).step == "train"
    leave_records(run, until="train")
    assert parts_under_way(run, read_run(run)) is None
    assert lost_parts(run, read_run(run)) == {}


def test_history_shows_how_far_a_run_is_that_is_under_way(run):
    plan(run)
    work(run, 1, 1000)
    killed(run, 2, 200)
    (past,) = read_history(run.store, run.name)
    assert (past.outcome, past.reason) == ("unfinished", "ingest: 1,200 of 3,000 images, 1 of 3 parts done")
    assert past.progress == past.reason


def test_a_run_that_ended_because_parts_were_killed_says_which(run):
    plan(run)
    work(run, 1, 1000)
    killed(run, 2, 200)
    said = "ingest: part 2 of 3 was killed, or ran out of memory or time, after 200 of its 1,000 images, and 1 more: see its log"
    assert notify(run, "FAILED").reason == said
    with recorded("notify", run) as record:
        record.outcome = notify(run, "FAILED")
    (past,) = read_history(run.store, run.name)
    assert (past.outcome, past.reason, past.progress) == ("failed", said, "")


def test_a_step_that_was_killed_itself_after_its_parts_is_no_part_s_fault(run):
    plan(run)
    for number in (1, 2, 3):
        work(run, number, 1000, GraftError("no room") if number == 2 else None)
    assert notify(run, "FAILED").reason.startswith("ingest: left no record; it was killed")


def test_a_part_that_never_came_to_its_work_is_named(run):
    plan(run)
    for number in (1, 2):
        work(run, number, 1000)
    assert lost_parts(run, read_run(run)) == {"ingest": "part 3 of 3 left no record: see its log"}


def test_a_run_that_was_tried_again_is_under_way(run, monkeypatch):
    plan(run)
    killed(run, 2, 200)
    with recorded("notify", run) as record:
        record.outcome = notify(run, "FAILED")
    monkeypatch.setattr(part_record, "utc_now", lambda: "2126-01-01T00:00:00+00:00")
    work(run, 2, 1000)
    (past,) = read_history(run.store, run.name)
    assert (past.outcome, past.progress) == ("unfinished", "ingest: 1,000 of 3,000 images, 1 of 3 parts done")


def test_a_plan_that_failed_at_first_is_no_end_of_its_step(run):
    leave_records(run, until="ingest", error=GraftError("The server stays away."))
    assert read_history(run.store, run.name)[0].outcome == "failed"
    with component_step("ingest", run.store, run.name, run.run_id, whole=False):  # tried again
        plan_parts(run, "ingest", pa.table({"path": ["a", "b"]}), 2, 1)
    (past,) = read_history(run.store, run.name)
    assert (past.outcome, past.reason) == ("unfinished", "ingest: 0 of 2 images, 0 of 2 parts done")
    assert cells(past)[6] == "unfinished, ingest: 0 of 2 images, 0 of 2 parts done"


def test_a_cancelled_run_is_no_part_s_fault(run):
    plan(run)
    killed(run, 2, 200)
    mark_cancelled(run)
    assert notify(run, "CANCELLED").reason == "cancelled during ingest"
    (past,) = read_history(run.store, run.name)
    assert (past.outcome, past.reason) == ("cancelled", "cancelled during ingest")
