"""What people see of a run: a line a step that fits the terminal, or plain lines."""

import io

import pytest
from rich.cells import cell_len
from rich.console import Console

from graft.components.common.artifacts.outcomes.part_records import PartRecord
from graft.components.common.progress_lines import Began, Doing, Ended
from graft.components.common.runs.parts_progress import PartsProgress
from graft.components.common.steps import STEPS
from graft.pipelines.console.board import Board, State
from graft.pipelines.console.console import PlainView
from graft.pipelines.console.lines import board_lines
from graft.pipelines.console.parts import PartsShown


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def board(clock):
    """A board in the middle of a pass of 2,000 images, 80 a second."""
    board = Board(clock)
    board.take(Began("resolve"))
    board.take(Ended("resolve", "succeeded", 0.4, "source and weights can be read"))
    board.take(Began("ingest"))
    board.take(Ended("ingest", "succeeded", 4.1, "猫" * 200))
    board.take(Began("train"))
    for clock.now in range(11):
        board.take(Doing("computing features", int(clock.now) * 80, 2000, "images"))
    return board


def drawn(board, width, encoding="utf-8", colours=True):
    console = Console(file=io.TextIOWrapper(io.BytesIO(), encoding), width=width)
    return [line.plain for line in board_lines(board, console.options, colours=colours)]


def test_the_line_of_a_step_says_how_fast_it_is_and_when_it_is_done(board):
    resolve, _, train, *_, total = drawn(board, 120)
    assert resolve == "resolve   done       0.4 s  source and weights can be read"
    assert train.startswith("train     running     10 s  computing features  ━━")
    assert train.endswith("  800 of 2,000  80 images/s, 15 s left")
    assert total == "total                 10 s"
    assert "80 images/s, 15 s left" in drawn(board, 80)[2] and "800 of" not in drawn(board, 80)[2]


@pytest.mark.parametrize("width", [10, 40, 60, 80, 81, 120, 300])
@pytest.mark.parametrize("encoding", ["utf-8", "ascii"])
def test_no_line_is_wider_than_the_terminal(board, width, encoding):
    lines = drawn(board, width, encoding)
    assert len(lines) == len(STEPS) + 1
    assert all(cell_len(line) < width for line in lines)


def test_a_terminal_without_colours_or_utf_8_can_tell_what_is_done(board):
    assert "━━━ " in drawn(board, 120, colours=False)[2]
    bar = drawn(board, 120, "ascii")[2]
    assert "##-" in bar and bar.isascii()


def test_what_a_step_says_steers_no_terminal_and_shows_no_secret(board):
    board.take(Doing("reading https://me:pass@example.org/a?token=secret \x1b[2J"))
    shown = drawn(board, 200)[2]
    assert "reading https://example.org/a" in shown
    assert "pass" not in shown and "secret" not in shown and "\x1b" not in shown


def test_on_no_terminal_a_step_begins_and_ends_with_a_line_and_says_something_every_thirty_seconds(clock):
    board, printed = Board(clock), io.StringIO()
    view = PlainView(board, printed, clock)
    board.take(Began("train"))
    for clock.now in range(70):
        board.take(Doing("computing features", int(clock.now) * 10, 2000, "images"))
        view.look()
    board.take(Ended("train", "succeeded", 70.2, "accuracy 0.9"))
    board.take(Began("gate"))
    board.take(Ended("gate", "failed", 0.0, "accuracy is below"))  # before anybody looked
    view.look()
    view.look()
    assert printed.getvalue().splitlines() == [
        "train: running",
        "train: running for 30 s, computing features, 300 of 2,000 images, 10 images/s, 2:50 left",
        "train: running for 1:00, computing features, 600 of 2,000 images, 10 images/s, 2:20 left",
        "train: done in 70.2 s: accuracy 0.9",
        "gate: running",
        "gate: failed in 0.0 s: accuracy is below",
    ]


def test_a_step_that_is_being_started_is_seen_before_it_speaks(board, clock):
    board.take(Ended("train", "succeeded", 9.0, ""))
    board.start("evaluate")
    assert drawn(board, 80)[3] == "evaluate  running           starting"
    clock.now = 15
    board.take(Began("evaluate"))
    clock.now = 17
    assert board.rows()["evaluate"].seconds == 2
    board.start("notify")
    board.take(Began("notify"))
    assert board.rows()["evaluate"].state is State.RUNNING


def parts(done, *states, of=3, work=3000):
    """How far the parts of ingest are: a state for each that has begun."""
    common = {"step": "ingest", "of": of, "planned": work // of, "reason": "https://me:pass@host/a stays away.\x1b[2J"}
    times = {"started": "2026-01-01T00:00:00+00:00", "updated": "2026-01-01T00:00:00+00:00"}
    shares = [done // len(states)] * len(states)
    records = [
        PartRecord(number=number, status=state, done=share, **common, **times)
        for number, (state, share) in enumerate(zip(states, shares, strict=True), 1)
    ]
    return PartsProgress("ingest", of, work, records)


def test_the_parts_of_a_step_are_its_progress(clock):
    board = Board(clock)
    board.count(PartsProgress("ingest", 3, 3000, []))  # the plan is there, and none has begun
    assert drawn(board, 130)[1].startswith("ingest    running      0 s  checking images in 3 parts  ━━")
    for clock.now in range(42):
        board.count(parts(int(clock.now) * 30, "running", "running"))
    line = drawn(board, 130)[1]
    assert line.startswith("ingest    running     41 s  checking images in 3 parts  ━━")
    assert line.endswith("1,230 of 3,000  30 images/s, 59 s left")


def test_the_step_that_follows_its_parts_tells_by_itself_and_took_as_long_as_all(clock):
    board = Board(clock)
    board.take(Began("ingest"))  # the plan
    clock.now = 100
    board.count(parts(2400, "succeeded", "running"))
    board.count(parts(3000, "succeeded", "succeeded", "succeeded"))
    assert drawn(board, 120)[1].endswith("putting together what 3 parts did")
    board.take(Began("ingest"))
    board.take(Doing("drawing the data report"))
    board.count(parts(3000, "succeeded", "succeeded", "succeeded"))
    assert drawn(board, 120)[1] == "ingest    running     1:40  drawing the data report"
    clock.now = 110
    board.take(Ended("ingest", "succeeded", 3.0, "3,000 images"))
    board.count(parts(2400, "succeeded", "running"))  # an old account
    assert drawn(board, 120)[1] == "ingest    done     110.0 s  3,000 images"


def test_a_part_that_failed_is_said_once_and_steers_no_terminal(clock):
    board, said = Board(clock), []
    shown = PartsShown(board, said.append)
    for _ in range(2):
        shown.show(parts(20, "failed", "running"))
    shown.show(parts(20, "failed", "failed"))
    why = "failed, so the step does its work: https://host/a stays away.\\u001b[2J"
    assert said == [f"WARNING ingest: part 1 of 3 {why}", f"WARNING ingest: part 2 of 3 {why}"]
    assert board.rows()["ingest"].state is State.RUNNING
