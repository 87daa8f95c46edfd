"""What TensorFlow has to say of its start reaches no terminal; its last words do."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

SAID = """\
import os, sys
from graft.components.common.compute import tensorflow
undo = tensorflow._sift_stderr()
os.write(2, b"WARNING: All log messages before absl::InitializeLog() is called are written to STDERR\\n")
os.write(2, b"I0000 00:00:1795776517.351166   11804 port.cc:153] oneDNN custom operations are on.\\n")
os.write(2, b"E0000 00:00:1795776430.026143    8019 util.cc:131] oneDNN supports DT_HALF only on platforms with AVX-512.\\n")
os.write(2, b"E0000 00:00:1795776430.026143    8019 cuda.cc:1] failed call to cuInit\\n")
os.write(2, b"F0000 00:00:1795776430.026143    8019 cpu.cc:1] compiled to use AVX instructions\\n")
if "abort" in sys.argv:
    os.abort()
undo()
os.write(2, b"after\\n")
"""


@pytest.mark.parametrize("how", ["abort", "return"])
def test_notes_are_dropped_and_errors_are_not(how):
    said = subprocess.run([sys.executable, "-c", SAID, how], capture_output=True, text=True).stderr.splitlines()
    assert [line.rpartition("] ")[2] for line in said] == [
        "failed call to cuInit",
        "compiled to use AVX instructions",
        *(["after"] if how == "return" else []),
    ]


@pytest.mark.slow
def test_a_command_that_imports_tensorflow_says_nothing_of_it():
    known = {name: value for name, value in os.environ.items() if name != "TF_CPP_MIN_LOG_LEVEL"}
    command = [Path(sys.executable).with_name("graft"), "layers"]
    done = subprocess.run(command, env=known, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "") and "mixed10" in done.stdout
