"""What parts of a step print that run side by side is kept whole, as their step's, and leaves this process as it was."""

import builtins
import contextlib
import logging
import re
import warnings

import pytest
from kfp import dsl, local

from graft.pipelines.console.board import Board, State
from graft.pipelines.local.run_log import FILE, RunLog, read_log
from graft.pipelines.local.side_by_side import untangled


@dsl.component(base_image="graft:cpu", install_kfp_package=False)
def ingest_plan() -> list:
    return ["1/3", "2/3", "3/3"]


@dsl.component(base_image="graft:cpu", install_kfp_package=False)
def ingest_part(item: str, folder: str, killed: str):
    import os
    import pathlib
    import signal
    import time

    here = pathlib.Path(folder)
    (here / item[0]).touch()
    others = {"1": "2", "2": "1"}.get(
        item[0]
    )  # the first two run at the same time, the third in the place of one of them
    while others and not (here / others).exists():
        time.sleep(0.01)
    for line in range(20):
        print("part", item, "line", line, flush=True)
        time.sleep(0.002)
    if item[0] in killed:
        os.kill(os.getpid(), signal.SIGKILL)
    while item == "2/3" and not killed and (here / "log.txt").read_text().count("'ingest-part' finished") < 2:
        time.sleep(0.01)  # so that it ends last
    print("part", item, "ends", flush=True)


@dsl.component(base_image="graft:cpu", install_kfp_package=False)
def ingest():
    print("the step itself", flush=True)


@dsl.component(base_image="graft:cpu", install_kfp_package=False)
def train():
    print("training", flush=True)


@dsl.pipeline(name="graft")
def pipeline(folder: str, killed: str):
    with dsl.ParallelFor(ingest_plan().output) as item:
        part = ingest_part(item=item, folder=folder, killed=killed)
    train().after(ingest().after(part))


@pytest.fixture
def run(tmp_path):
    """A function that runs the pipeline as `graft run` does, and returns its board and its closed log."""

    def go(killed=""):
        board = Board()
        with (
            contextlib.closing(RunLog(tmp_path, board)) as log,
            contextlib.redirect_stdout(log),
            warnings.catch_warnings(action="ignore"),
            untangled(),
        ):
            local.init(local.SubprocessRunner(use_venv=False), pipeline_root=str(tmp_path / "root"))
            with contextlib.suppress(RuntimeError):
                pipeline(folder=str(tmp_path), killed=killed)
        return board, log

    return go


def test_lines_are_whole_and_their_step_s_and_nothing_stays_behind(run, tmp_path):
    before, handlers = builtins.print, list(logging.root.handlers)
    board, log = run()
    assert (builtins.print, logging.root.handlers) == (before, handlers)
    kept = (tmp_path / FILE).read_text().splitlines()
    for part in ("1/3", "2/3", "3/3"):
        mine = [line for line in kept if f"part {part}" in line]
        assert mine == [f"    part {part} line {line}" for line in range(20)] + [f"    part {part} ends"]
    assert sum(bool(re.match(r"[\d:.]+ - INFO - Task 'ingest-part' finished", line)) for line in kept) == 3
    of_ingest = list(read_log(tmp_path, "ingest"))
    assert sum("part " in line for line in of_ingest) == 63
    assert "    the step itself" in of_ingest and "    training" not in of_ingest
    assert "    training" in list(read_log(tmp_path, "train"))
    assert not re.search("the step|part", "\n".join(read_log(tmp_path, "train")))
    assert "the step itself" in log.last_lines["ingest"] and {*log.last_lines} == {"ingest", "train"}
    assert board.rows()["ingest"].state is State.RUNNING  # its record would have ended it


def test_the_last_lines_are_those_of_the_part_that_failed(run):
    board, log = run(killed="1")
    assert "part 1/3 line 19" in log.last_lines["ingest"]
    assert not [line for line in log.last_lines["ingest"] if line.startswith(" ")]
    assert not [line for line in log.last_lines["ingest"] if "part 2" in line or "part 3" in line]
    assert board.rows()["train"].state is State.WAITING
