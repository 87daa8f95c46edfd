"""What tests of local runs share."""

import json
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from graft.pipelines.local.sample import draw_sample

_GRAFT = Path(sys.executable).with_name("graft")
_QUICK = '{"train": {"cut": "activation", "image_size": 75, "epochs": 1, "batch_size": 16}}'


@pytest.fixture(scope="session")
def pictures(tmp_path_factory):
    """A folder of 60 pictures, with spaces in its path."""
    folder = tmp_path_factory.mktemp("pictures") / "cats and dogs"
    draw_sample(folder, images=60)
    return folder


@pytest.fixture(scope="session")
def quick_run():
    """The command of a run that takes seconds; source and more options are to be added."""
    return [_GRAFT, "run", "--json", "--weights", "random", "--config", _QUICK]


@pytest.fixture(scope="session")
def succeeded(pictures, quick_run, tmp_path_factory):
    """A run of these pictures whose model passes: the folder it ran in, the one for temporary files, and run.json, which it printed."""
    temporary = tmp_path_factory.mktemp("temporary")
    folder = (
        tmp_path_factory.mktemp("runs") / "Läufe [2024]*? #1 \\x 'a b'"
    )  # TensorFlow takes some of these for a pattern
    folder.mkdir()
    command = [*quick_run, "--source", pictures, "--min-accuracy", "0.01"]
    environment = os.environ | {"TMPDIR": str(temporary)}
    process = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert process.returncode == 0, process.stderr
    return SimpleNamespace(folder=folder, temporary=temporary, content=json.loads(process.stdout))
