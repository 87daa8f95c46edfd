"""`graft run --parts`: parts share the work of a run, in processes side by side, and what comes out is the same."""

import json
import os
import signal
import subprocess
import time
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from graft.components.common.artifacts.dataset import Dataset
from graft.components.common.runs.parts import read_parts, read_plan
from graft.components.common.runs.run import Run
from graft.components.common.steps import FANNED_STEPS

pytestmark = pytest.mark.slow

# No model passes, so that no time goes into exports.
REFUSED = ["--min-accuracy", "0.9999"]


@pytest.fixture
def start(quick_run, pictures):
    """Starts a quick run in a folder, whose model is refused."""

    def popen(folder, *arguments):
        command = [*quick_run, "--source", pictures, *REFUSED, *map(str, arguments)]
        streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        return subprocess.Popen(command, cwd=folder, start_new_session=True, **streams)

    return popen


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


def parts_of(folder):
    """Returns of each step of the latest run how many parts were planned, and the numbers of those that succeeded."""
    run = records(folder)
    done = {
        step: [part.number for part in read_parts(run, step) if part.status == "succeeded"] for step in FANNED_STEPS
    }
    return {step: (read_plan(run, step).parts, done[step]) for step in FANNED_STEPS if read_plan(run, step)}


def test_a_run_whose_part_is_killed_fails_and_the_next_one_goes_on_and_makes_what_the_steps_make_alone(
    start, tmp_path, refused
):
    process = start(tmp_path, "--parts", 2)
    os.kill(stand_in(process, b"train_part"), signal.SIGKILL)
    output, errors = process.communicate()
    assert process.returncode == 1, errors
    content = json.loads(output)
    assert list(content["steps"]) == ["resolve", "ingest"]
    assert content["failure"].startswith("train: part ") and " of 2 " in content["failure"]
    assert "The last lines of train" in errors and "Traceback" not in errors
    first = parts_of(tmp_path)
    assert first["ingest"] == (2, [1, 2]) and first["train"][0] == 2 > len(first["train"][1])
    assert content["dataset"] == refused.content["dataset"]
    ingested = content["steps"]["ingest"]["summary"]

    process = start(tmp_path, "--parts", 3)
    output, errors = process.communicate()
    assert process.returncode == 3, errors
    assert made(tmp_path) == made(refused.folder)
    said, alone = (
        {name: step["summary"] for name, step in one["steps"].items()} for one in (json.loads(output), refused.content)
    )
    assert said == alone | {"ingest": f"{ingested}; 0 of them new"} and ingested == alone["ingest"]
    assert errors.strip().splitlines()[0].startswith("resolve: "), "as kfp's local runner indents it"
    # All images are ingested: what is left is one part, which leaves it to the step.
    assert parts_of(tmp_path) == {"ingest": (1, [1]), "train": (3, [1, 2, 3]), "evaluate": (3, [1, 2, 3])}


def test_an_interrupt_ends_all_parts_and_begins_no_more(start, tmp_path):
    process = start(tmp_path, "--parts", 9)
    stand_in(process, b"train_part")
    os.killpg(process.pid, signal.SIGINT)
    _, errors = process.communicate()
    assert process.returncode == 130, errors
    assert "Interrupted" in errors and "Traceback" not in errors
    while list(processes(process)):
        time.sleep(0.02)
    assert (Path(records(tmp_path).folder) / "cancelled.json").is_file()
    assert read_plan(records(tmp_path), "train").parts == 9 > 5 > len(read_parts(records(tmp_path), "train"))
