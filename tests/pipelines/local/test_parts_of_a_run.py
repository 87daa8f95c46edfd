"""`graft run --parts`: parts share the work of a run, in processes side by side, and what comes out is the same."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from graft.components.common.artifacts.dataset import Dataset
from graft.components.common.runs.parts import read_parts, read_plan
from graft.components.common.runs.run import Run
from graft.components.common.steps import FANNED_STEPS
from graft.pipelines.local.sample import draw_sample

pytestmark = pytest.mark.slow

GRAFT = Path(sys.executable).with_name("graft")
CONFIG = '{"train": {"cut": "activation", "image_size": 75, "epochs": 1, "batch_size": 16}}'
# No model passes, so that no time goes into exports.
ARGUMENTS = ["--weights", "random", "--config", CONFIG, "--min-accuracy", "0.9999", "--json"]


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pictures") / "drawn"
    draw_sample(folder, images=60)
    return folder


def start(folder, pictures, *arguments, **options):
    command = [GRAFT, "run", "--source", pictures, *ARGUMENTS, *map(str, arguments)]
    streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen(command, cwd=folder, start_new_session=True, **streams, **options)


def run(folder, pictures, *arguments):
    folder.mkdir(exist_ok=True)
    process = start(folder, pictures, *arguments)
    output, errors = process.communicate()
    assert process.returncode == 3, errors
    return json.loads(output), errors


def made(folder):
    """Returns what a run has made: the digests of dataset and model, the evaluation's figures, and its predictions."""
    artifacts = max(folder.glob("runs/*/graft-*"))
    evaluation = json.loads((artifacts / "evaluate/evaluation/evaluation.json").read_text())
    figures = {name: evaluation[name] for name in ("metrics", "slices", "comparisons", "drift", "labels", "images")}
    predictions = pq.read_table(artifacts / "evaluate/evaluation/predictions.parquet").to_pylist()
    return {
        "dataset": Dataset.load(artifacts / "ingest/dataset").digest,
        "model": evaluation["model_digest"],
        "figures": figures,
        "predictions": predictions,
    }


def records(folder):
    where = max((folder / "runs/store/models/model/runs").iterdir())
    return Run(str(folder / "runs/store"), "model", where.name)


@pytest.fixture(scope="module")
def alone(tmp_path_factory, pictures):
    folder = tmp_path_factory.mktemp("alone")
    return run(folder, pictures)[0], made(folder)


# 2 parts: in containers, tests/docker; and below, after a kill.
@pytest.mark.parametrize("parts", [1, 7])
def test_what_parts_make_is_what_the_steps_make_alone(tmp_path, pictures, alone, parts):
    content, errors = run(tmp_path, pictures, "--parts", parts)
    assert made(tmp_path) == alone[1]
    of_steps = [{name: step["summary"] for name, step in one["steps"].items()} for one in (content, alone[0])]
    assert of_steps[0] == of_steps[1]
    assert errors.strip().splitlines()[0].startswith("resolve: "), "as kfp's local runner indents it"
    for step in FANNED_STEPS:
        assert read_plan(records(tmp_path), step).parts == parts
        done = [(part.number, part.status) for part in read_parts(records(tmp_path), step)]
        assert parts == 1 or done == [(number + 1, "succeeded") for number in range(parts)]


def processes(run):
    """Yields the processes that a run, and whatever it started, has now: their numbers and command lines."""
    for entry in Path("/proc").iterdir():
        try:
            fields = (entry / "stat").read_text().rpartition(")")[2].split()
            if int(fields[3]) == run.pid and fields[0] not in "ZX":
                yield int(entry.name), (entry / "cmdline").read_bytes().split(b"\0")
        except (OSError, IndexError, ValueError):  # no process, or one that has ended
            continue


def stand_in(run, function):
    """Returns the process that stands for a step that is forked, once there is one."""
    while run.poll() is None:
        for number, words in processes(run):
            if function in words and any(word.endswith(b"stand_in.py") for word in words):
                return number
        time.sleep(0.02)
    raise AssertionError(run.communicate())


def test_a_run_whose_part_is_killed_fails_and_the_next_one_goes_on(tmp_path, pictures, alone):
    process = start(tmp_path, pictures, "--parts", 2)
    os.kill(stand_in(process, b"train_part"), signal.SIGKILL)
    output, errors = process.communicate()
    assert process.returncode == 1, errors
    content = json.loads(output)
    assert list(content["steps"]) == ["resolve", "ingest"]
    assert content["failure"].startswith("train: part ") and " of 2 " in content["failure"]
    assert "The last lines of train" in errors and "Traceback" not in errors
    run(tmp_path, pictures, "--parts", 2)
    assert made(tmp_path) == alone[1]


def test_an_interrupt_ends_all_parts_and_begins_no_more(tmp_path, pictures):
    process = start(tmp_path, pictures, "--parts", 9)
    stand_in(process, b"train_part")
    os.killpg(process.pid, signal.SIGINT)
    _, errors = process.communicate()
    assert process.returncode == 130, errors
    assert "Interrupted" in errors and "Traceback" not in errors
    while list(processes(process)):
        time.sleep(0.02)
    assert (Path(records(tmp_path).folder) / "cancelled.json").is_file()
    assert read_plan(records(tmp_path), "train").parts == 9 > 5 > len(read_parts(records(tmp_path), "train"))
