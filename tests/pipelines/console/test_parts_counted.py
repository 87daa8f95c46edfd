"""A local run's parts are counted in its store while they work, in a real folder, in a real terminal's plain lines."""

import threading
import time

import pyarrow as pa
import pytest

from graft.components.common import storage
from graft.components.common.artifacts.outcomes.part_records import PartsPlan
from graft.components.common.errors import GraftError
from graft.components.common.progress import progress
from graft.components.common.progress_lines import Began, Ended
from graft.components.common.runs import part_record
from graft.components.common.runs.part_record import component_part
from graft.components.common.runs.parts import parts_folder, plan_parts
from graft.components.common.runs.run import Run
from graft.pipelines.console import parts
from graft.pipelines.console.board import Board, State
from graft.pipelines.console.parts import parts_counted


def wait_for(happened):
    deadline = time.monotonic() + 300
    while not happened():
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.fixture
def run(tmp_path, monkeypatch):
    monkeypatch.setattr(parts, "_SECONDS_HERE", 0.01)
    monkeypatch.setattr(part_record, "_SECONDS_HERE", 0.0)
    run = Run(str(tmp_path / "store"), "pets", "run-1")
    plan_parts(run, "ingest", pa.table({"path": list(map(str, range(300)))}), 2, 1)
    return run


def test_two_parts_at_once_are_one_bar_and_the_step_has_the_last_word(run):
    board, said, both = Board(), [], threading.Barrier(2)

    def shown():
        doing = board.rows()["ingest"].doing
        return doing.what, doing.done, doing.total, doing.unit

    def work(number):
        with component_part("ingest", run.store, run.name, run.run_id, f"{number}/2") as part:
            part.begin(150)
            for _ in range(3):
                both.wait()
                part.advance(40)
            both.wait()
            if number == 2:
                raise GraftError("a bad shard")

    board.take(Began("ingest"))
    threads = [threading.Thread(target=work, args=(number,)) for number in (1, 2)]
    with parts_counted(board, said.append, run, ["ingest"]):
        wait_for(lambda: shown() == ("checking images in 2 parts", 0, 300, "images"))  # the plan is there
        for thread in threads:
            thread.start()
        wait_for(lambda: shown()[0] == "putting together what 2 parts did")
        board.take(Ended("ingest", "succeeded", 0.1, "300 images"))
    for thread in threads:
        thread.join()
    assert said == ["WARNING ingest: part 2 of 2 failed, so the step does its work: a bad shard"]
    assert board.rows()["ingest"].state is State.DONE


def test_the_bar_shows_what_is_in_the_store(run):
    board = Board()
    board.start("ingest")
    with (
        parts_counted(board, print, run, ["ingest"]),
        component_part("ingest", run.store, run.name, run.run_id, "1/2") as part,
    ):
        part.begin(150)
        part.advance(100)
        wait_for(lambda: board.rows()["ingest"].doing.done == 100)
        assert board.rows()["ingest"].doing.what == "checking images in 2 parts"


def test_a_step_that_works_alone_tells_by_itself(run):
    storage.delete(f"{parts_folder(run, 'ingest')}/{PartsPlan.FILE}")
    board = Board()
    board.take(Began("ingest"))
    with parts_counted(board, print, run, ["ingest"]):
        pass
    assert board.rows()["ingest"].doing.what == ""


def test_a_store_that_can_t_be_read_is_told_once(run, caplog):
    storage.write(f"{parts_folder(run, 'ingest')}/{PartsPlan.FILE}", b"{")
    board = Board()
    board.take(Began("ingest"))
    with parts_counted(board, print, run, ["ingest"]):
        wait_for(lambda: caplog.text)
    assert caplog.text.count("how far the parts are can't be told") == 1


def test_a_part_tells_nothing_by_lines_that_others_would_overwrite(run, monkeypatch, capfd):
    monkeypatch.setenv("GRAFT_PROGRESS_LINES", "1")
    with component_part("ingest", run.store, run.name, run.run_id, "1/2"), progress("checking images", 2) as advance:
        advance(2)
    assert "\x1e" not in capfd.readouterr().out
