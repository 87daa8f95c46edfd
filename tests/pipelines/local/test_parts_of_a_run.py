"""`graft run --parts`: parts share the work of a run, in processes side by side, and what comes out is the same."""

import json
import os
import signal
import subprocess
import time
from pathlib import Path
from types import SimpleNamespace

import pyarrow.parquet as pq
import pytest
from web import web_server

from graft.components.common.artifacts.dataset import Dataset
from graft.components.common.runs.parts import read_parts, read_plan
from graft.components.common.runs.run import Run
from graft.components.common.steps import FANNED_STEPS

pytestmark = pytest.mark.slow

# No model passes, so that no time goes into exports.
REFUSED = ["--min-accuracy", "0.9999"]


@pytest.fixture(scope="module")
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


@pytest.fixture(scope="module")
def killed(start, tmp_path_factory):
    """A run a part of which is killed: its folder, exit code, outputs and parts."""
    folder = tmp_path_factory.mktemp("parts")
    process = start(folder, "--parts", 3)
    os.kill(stand_in(process, b"train_part"), signal.SIGKILL)
    output, errors = process.communicate()
    return SimpleNamespace(
        folder=folder, code=process.returncode, content=json.loads(output), errors=errors, parts=parts_of(folder)
    )


@pytest.fixture(scope="module")
def refused(start, killed):
    """The run after it, whose model the gate refuses: the same of it, and what the webhook was told."""
    with web_server() as web, pytest.MonkeyPatch.context() as patch:
        patch.setenv("GRAFT_WEBHOOK", web.url)
        process = start(killed.folder, "--parts", 2)
        output, errors = process.communicate()
    told = [json.loads(request[3]) for request in web.asked]
    return SimpleNamespace(code=process.returncode, content=json.loads(output), errors=errors, told=told)


def test_a_run_whose_part_is_killed_fails(killed, succeeded):
    assert killed.code == 1, killed.errors
    assert list(killed.content["steps"]) == ["resolve", "ingest"]
    failure = killed.content["failure"]
    assert failure.startswith("train: part ") and " of 3 " in failure
    assert "The last lines of train" in killed.errors and "Traceback" not in killed.errors
    assert killed.parts["ingest"] == (3, [1, 2, 3]) and killed.parts["train"][0] == 3 > len(killed.parts["train"][1])
    assert killed.content["dataset"] == succeeded.content["dataset"]


def test_the_next_one_goes_on_and_makes_what_the_steps_make_alone(killed, refused, succeeded):
    assert made(killed.folder) == made(succeeded.folder)
    first, said, alone = (
        {name: step["summary"] for name, step in content["steps"].items()}
        for content in (killed.content, refused.content, succeeded.content)
    )
    assert said["ingest"] == f"{alone['ingest']}; 0 of them new" and first["ingest"] == alone["ingest"]
    assert all(said[step] == alone[step] for step in ("train", "evaluate"))
    assert refused.errors.strip().splitlines()[0].startswith("resolve: "), "as kfp's local runner indents it"
    # All images are ingested: what is left is one part, which leaves it to the step.
    assert parts_of(killed.folder) == {"ingest": (1, [1]), "train": (2, [1, 2]), "evaluate": (2, [1, 2])}


def test_a_failed_gate_stops_the_export_keeps_the_rest_and_is_told(killed, refused):
    content, folder = refused.content, killed.folder
    assert refused.code == 3, refused.errors
    (told,) = refused.told
    assert (told["outcome"], told["accuracy"]) == ("gate failed", content["accuracy"])
    assert (content["status"], content["export"], content["gate"]["passed"]) == ("failed", None, False)
    assert list(content["steps"]) == ["resolve", "ingest", "train", "evaluate", "gate"]
    last = refused.errors.strip().splitlines()[-1]
    assert "gate failed: accuracy" in last
    assert "is below the required 0.9999" in last
    assert 0 <= content["accuracy"] < 0.9999
    assert len(list(folder.glob("runs/*/graft-*/evaluate/evaluation/predictions.parquet"))) == 1
    assert len(list(folder.glob("runs/*/graft-*/gate/decision/decision.json"))) == 1
    assert not list(folder.glob("runs/**/SHA256SUMS"))


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
