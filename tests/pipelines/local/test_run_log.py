"""log.txt has all that a run prints, as it comes, and nothing of it is lost with the run's reason."""

import logging

import pytest

from graft.components.common.progress_lines import SEPARATOR
from graft.pipelines.console.board import Board, State
from graft.pipelines.local.run_log import FILE, RunLog

# As kfp prints it, with what a step says between.
STREAM = f"""\
11:04:05.617 - INFO - Running pipeline: \x1b[95m'graft'\x1b[0m
11:04:05.622 - INFO - Executing task \x1b[96m'train'\x1b[0m
11:04:05.622 - INFO - Streamed logs:

    [KFP Executor 2026-11-27 11:04:05,829 INFO]: Got executor_input:
    {{
        "inputs": {{}}
    }}
    {SEPARATOR}{{"began": {{"step": "train"}}}}
    {SEPARATOR}{{"doing": {{"what": "computing features", "done": 1, "total": 9, "unit": "images"}}}}
    half a line{SEPARATOR}{{"doing": {{"what": "computing features", "done": 2, "total": 9, "unit": "images"}}}}
    reading https://me:pass@example.org/a?token=secret \x1b[2J
    {SEPARATOR}{{"doing": {{"what": "computing features", "done": "many"}}}}
    {SEPARATOR}nonsense
    {SEPARATOR}{{"ended": {{"step": "train", "status": "failed", "seconds": 1.5, "summary": "no space"}}}}
    graft train: no space
11:04:15.617 - INFO - Executing task \x1b[96m'notify'\x1b[0m
    something else
the end"""


@pytest.fixture
def board():
    return Board()


@pytest.mark.parametrize("size", [1, 7, 100_000])
def test_lines_are_kept_as_they_come_and_what_is_told_is_taken_out(tmp_path, board, size):
    with RunLog(tmp_path, board) as log:
        for start in range(0, len(STREAM), size):
            log.write(STREAM[start : start + size])
        assert "graft train: no space" in (tmp_path / FILE).read_text(), "before the end"
    row = board.rows()["train"]
    assert (row.state, row.seconds, row.summary) == (State.FAILED, 1.5, "no space")
    kept = (tmp_path / FILE).read_text()
    assert kept.startswith("11:04:05.617 - INFO - Running pipeline: 'graft'\n") and kept.endswith(
        "    something else\nthe end\n"
    )
    assert '        "inputs": {}\n' in kept
    assert not {"pass", "secret", "\x1b", SEPARATOR} & {*kept.split(), *kept}
    assert list(log.last_lines["train"]) == [
        "train: computing features, 9 images",
        "half a line",
        "reading https://example.org/a \\u001b[2J",
        '\\u001e{"doing": {"what": "computing features", "done": "many"}}',
        "\\u001enonsense",
        "graft train: no space",
    ]


def test_the_first_few_warnings_of_a_step_are_said_each_once_and_without_secrets(tmp_path, board):
    with RunLog(tmp_path, board) as log:
        for step, texts in {"ingest": ["gs://me:pass@a/b is odd", *"abbcd"], "train": ["a"]}.items():
            log.write(f'    {SEPARATOR}{{"began": {{"step": "{step}"}}}}\n')
            for text in texts:
                log.write(f'    {SEPARATOR}{{"warned": {{"text": "{text}"}}}}\n')
    said = ["ingest: gs://a/b is odd", "ingest: a", "ingest: b", "ingest: its log has more warnings", "train: a"]
    assert board.unsaid() == [f"WARNING {line}" for line in said]
    assert not board.unsaid()


def test_a_step_that_ends_before_it_can_say_that_it_began_has_last_lines(tmp_path, board):
    with RunLog(tmp_path, board) as log:
        log.write("11:04:05.622 - INFO - Executing task 'train'\n11:04:05.622 - INFO - Streamed logs:\n\n")
        log.write("    No module named graft\n\n11:04:15.617 - ERROR - Task 'train' finished with status FAILURE\n")
        log.write("what kfp says after it\n")
    assert list(log.last_lines["train"]) == ["No module named graft"]


@pytest.mark.parametrize(
    "told",
    [
        "[" * 100_000,
        *(f'{{"doing": {{"what": "", "done": {done}, "total": 4}}}}' for done in (-(10**9), "9" * 400, "NaN")),
    ],
)
def test_what_no_step_tells_is_a_line_like_others(tmp_path, board, told):
    with RunLog(tmp_path, board) as log:
        log.write(f'{SEPARATOR}{{"began": {{"step": "train"}}}}\n{SEPARATOR}{told}\n')
    assert (board.rows()["train"].doing.total, log.last_lines["train"][0][:7]) == (0, "\\u001e" + told[0])


def test_a_full_disk_loses_lines_and_nothing_else(tmp_path, board):
    (tmp_path / FILE).symlink_to("/dev/full")
    with RunLog(tmp_path, board) as log:
        log.write(STREAM)
    assert board.rows()["train"].summary == "no space"
    assert "graft train: no space" in log.last_lines["train"]
    assert log.trouble == f"No space left on device: {tmp_path / FILE} isn't complete"


def test_what_a_thread_logs_after_the_end_is_no_error(tmp_path, board, capsys):
    with RunLog(tmp_path, board) as log:
        handler = logging.StreamHandler(log)
    handler.handle(logging.makeLogRecord({"msg": "too late"}))
    assert capsys.readouterr().err == ""
    assert "too late" not in (tmp_path / FILE).read_text()
