"""What commands print reaches every terminal, and a reader that has enough ends nothing."""

import csv
import errno
import io
import json
import subprocess
import sys

import pytest
from rich.table import Table

from graft.pipelines.cli.exits import explain
from graft.pipelines.cli.models import predict_command
from graft.pipelines.cli.output import print_table
from graft.pipelines.local.predicting import Prediction

PRINT = """
import sys
from graft.pipelines.cli.output import prepare_output
prepare_output()
for number in range(2000):
    print(number, "≥ 2×3 кошки é \\udcff" + 100 * "-")
print("the work is done", file=sys.stderr)
"""


def printed(pipe="cat", **environment):
    command = ["bash", "-o", "pipefail", "-c", f'"$0" -c "$1" | {pipe}', sys.executable, PRINT]
    return subprocess.run(command, env=environment, capture_output=True, check=True)


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({"PYTHONIOENCODING": "utf-8"}, "0 ≥ 2×3 кошки é \\udcff-"),
        ({"LC_ALL": "POSIX"}, "0 ≥ 2×3 кошки é \\udcff-"),
        ({"PYTHONIOENCODING": "ascii"}, r"0 >= 2x3 \u043a\u043e\u0448\u043a\u0438 \u00e9 \udcff-"),
        ({"PYTHONIOENCODING": "latin-1"}, r"0 >= 2×3 \u043a\u043e\u0448\u043a\u0438 é \udcff-"),
    ],
    ids=str,
)
def test_what_an_encoding_lacks_is_written_otherwise(environment, expected):
    found = printed(**environment)
    encoding = environment.get("PYTHONIOENCODING", "utf-8")
    assert found.stdout.decode(encoding).startswith(expected)


@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_a_reader_that_has_enough(unbuffered):
    found = printed("head -1", PYTHONUNBUFFERED=unbuffered)
    assert found.stdout.count(b"\n") == 1 and found.stderr == b"the work is done\n"


def test_messages_that_cannot_be_written_end_nothing():
    code = PRINT + "print('goes on')"
    command = ["bash", "-c", '"$0" -c "$1" 2>/dev/full', sys.executable, code]
    found = subprocess.run(command, capture_output=True, check=True)
    assert found.stdout.endswith(b"\ngoes on\n")


def test_streams_that_are_closed_are_nowhere(tmp_path):
    code = (
        "import os, sys; from graft.pipelines.cli.output import prepare_output; prepare_output()\n"
        "kept = [open(sys.argv[1], 'a') for _ in range(3)]; sys.stderr.isatty(); print('said', flush=True)\n"
        "os.write(1, b'said'); os.write(2, b'said, as C++ code does'); kept[0].write('kept')"
    )
    command = ["bash", "-c", '"$0" -c "$1" "$2" <&- >&- 2>&-', sys.executable, code, tmp_path / "kept"]
    assert subprocess.run(command, check=False).returncode == 0
    assert (tmp_path / "kept").read_text() == "kept"


@pytest.mark.parametrize(("columns", "kept"), [("0", False), ("2", False), ("10", True), ("80", True), ("wide", True)])
def test_a_width_that_nothing_fits_into_is_none(columns, kept):
    code = "import os; from graft.pipelines.cli.output import prepare_output; prepare_output(); print(os.environ.get('COLUMNS'))"
    found = subprocess.run([sys.executable, "-c", code], env={"COLUMNS": columns}, capture_output=True, check=True)
    assert found.stdout.decode().strip() == (columns if kept else "None")


def test_a_full_disk_is_told_once_with_a_remedy():
    told, code = explain(OSError(errno.ENOSPC, "No space left on device"))
    assert told.startswith("No space left on device: make room where the output, the store and TMPDIR (/") and code == 1
    assert explain(OSError(errno.EIO, "Input/output error", "x.jpg")) == ("Input/output error: x.jpg.", 1)


HOSTILE = Prediction("\x1b]0;owned\x07\u202egpj.jpg\x9b2J", error="is\r\nno image")


@pytest.mark.parametrize("form", ["table", "json", "csv"])
def test_a_file_s_name_steers_no_terminal(form, capsys):
    getattr(predict_command, f"_{form}")([HOSTILE, Prediction("кошка.jpg", "cats", {"cats": 1.0})])
    said = capsys.readouterr().out
    assert not {"\x1b", "\x07", "\x9b", "\u202e", "\r"} & set(said)
    assert "\\u001b]0;owned\\u0007\\u202egpj.jpg\\u009b2J" in said and "кошка.jpg" in said
    if form == "json":
        assert json.loads(said)[0]["image"] == HOSTILE.image


def test_a_name_is_no_formula_of_a_spreadsheet(capsys):
    names = ["=HYPERLINK(A1).jpg", "+1.jpg", "-1.jpg", "@SUM(1).jpg", "\t=1.jpg", "a=1.jpg"]
    predict_command._csv([Prediction(name, "=cats", {"=cats": 1.0, "dogs": 0.0}) for name in names])
    header, *rows = csv.reader(io.StringIO(capsys.readouterr().out))
    assert header == ["image", "label", "'=cats", "dogs", "error"]
    assert [row[0] for row in rows] == [*("'" + name for name in names[:4]), "\\u0009=1.jpg", "a=1.jpg"]
    assert rows[0][1:] == ["'=cats", "1.0", "0.0", ""]


def test_in_a_pipe_a_row_of_a_table_is_a_line(capsys):
    table = Table("step", "result", box=None, pad_edge=False)
    table.add_row("gate", "passed: [1] " + 50 * "at most 2 points worse; ")
    print_table(table)
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == ["step", "gate"]
    assert lines == [line.rstrip() for line in lines] and "[1]" in lines[1]
