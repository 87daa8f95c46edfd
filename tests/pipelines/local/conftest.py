"""What tests of local runs share."""

import json
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from web import web_server

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
def refused(pictures, quick_run, tmp_path_factory):
    """A run of these pictures whose model the gate refuses: the folder it ran in, its process, run.json, and what the webhook was told."""
    folder = tmp_path_factory.mktemp("refused")
    with web_server() as web, pytest.MonkeyPatch.context() as patch:
        patch.setenv("GRAFT_WEBHOOK", web.url)
        command = [*quick_run, "--source", pictures, "--min-accuracy", "0.9999"]
        process = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert process.returncode == 3, process.stderr
    told = [json.loads(request[3]) for request in web.asked]
    return SimpleNamespace(folder=folder, process=process, content=json.loads(process.stdout), told=told)
