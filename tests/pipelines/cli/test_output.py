"""What commands print reaches every terminal, and a reader that has enough ends nothing."""

import subprocess
import sys

import pytest

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
