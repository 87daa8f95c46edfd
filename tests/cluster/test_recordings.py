"""The server here, held against what a real Kubeflow Pipelines 2.17.0 answered (`recorded/`): it must not be kinder.

`recorded/` is a digest of recordings, which GRAFT_TEST_RECORDINGS names where they are at hand.
"""

import dataclasses
import json
import os
from collections import defaultdict
from pathlib import Path

import pytest
import requests
import yaml
from argo_retries import MENDED, STOCK, play
from fake_kubeflow import FakeKubeflow
from profiles import IMAGES
from recorded_runs import FILE, digest, digests, keys, recorded
from support import skip

from graft.components.common.parameters import Parameters
from graft.pipelines.cluster.compiling import compile_pipeline
from graft.pipelines.cluster.profile.fields import Images
from graft.pipelines.cluster.profile.reading import read_profile

ANSWERS = [json.loads(line) for line in FILE.with_name("answers.jsonl").read_text().splitlines()]
RUNS = digests()
# The smallest pipeline with the one parameter that the recorded runs have.
PIPELINE = {
    "pipelineInfo": {"name": "graft-test"},
    "root": {"inputDefinitions": {"parameters": {"source": {"parameterType": "STRING"}}}},
}
DONE = dict.fromkeys(("resolve", "ingest", "train", "evaluate", "gate", "export"), "SUCCEEDED")
IN_TRAIN = {**dict.fromkeys(("resolve", "ingest"), "SUCCEEDED"), "train": "RUNNING"}
# What happened: the steps in the end, and where the run was cancelled, those before.
PLAYED = {
    "succeeded": DONE,
    "unchanged": {"resolve": "SUCCEEDED"},
    "notify-killed": {"resolve": "SUCCEEDED", "notify": "FAILED"},
    "gate-failed": {**dict.fromkeys(list(DONE)[:4], "SUCCEEDED"), "gate": "FAILED"},
    "killed": {**IN_TRAIN, "train": "FAILED"},
    "timed-out": {**IN_TRAIN, "train": "FAILED"},
    "max-duration": {**IN_TRAIN, "train": ["FAILED"]},
    "exit-1-after-retries": {"resolve": ["FAILED"] * 3},
    "driver-failed": {"resolve": "SUCCEEDED", "ingest-driver": "FAILED"},
}
CANCELLED = {
    "cancelled": IN_TRAIN,
    "cancelled-in-kubeflow": IN_TRAIN,
    "driver-of-exit-handler-failed": None,
    "image-cannot-be-pulled": {"resolve": "PENDING"},
}
# KFP's own templateDefaults were removed for these.
WITHOUT_DEFAULTS = ("max-duration", "exit-1-after-retries")


def states(run):
    """Returns the states of a run, and those of its tasks by name."""
    tasks, workflow = defaultdict(list), ""
    for task in run["run_details"]["task_details"]:
        name = task.get("display_name", "")
        if name.startswith("graft-"):
            workflow = name.partition("(")[0]
            name = name.replace(workflow, "workflow")
        tasks[name].append(task.get("state", ""))
    return {
        "state": run["state"],
        "history": [seen["state"] for seen in run["state_history"]],
        "tasks": {name: sorted(states) for name, states in sorted(tasks.items())},
    }


def renamed(content, names):
    """Returns some content with other identifiers in it."""
    text = json.dumps(content)
    for there, here in names.items():
        text = text.replace(there, here)
    return json.loads(text)


def learn(recorded, here, names):
    """Notes which identifier here stands for a recorded one."""
    for key, value in recorded.items() if isinstance(recorded, dict) else ():
        if key.endswith("_id") and isinstance(here.get(key), str):
            names.setdefault(value, here[key])


def shape(answer):
    """Returns an answer without what differs from run to run: times, identifiers, the pipeline, page tokens, what is cut."""
    if isinstance(answer, list):
        return sorted((shape(entry) for entry in answer), key=json.dumps)
    if not isinstance(answer, dict):
        return answer.replace("\xa0", " ") if isinstance(answer, str) else answer  # Go's protobuf draws one of the two
    passing = ("details", "error_details", "pipeline_spec", "next_page_token", "plugins_output")
    cut = {key: "" for key in answer if key in passing or key.endswith(("_at", "_time", "_id"))}
    return {key: shape(value) for key, value in answer.items() if key != "plugins_output"} | {
        key: value for key, value in cut.items() if key != "plugins_output"
    }


def test_every_recorded_call_is_answered_like_that():
    names = {}
    with FakeKubeflow() as server:
        for call in ANSWERS:
            method, path = renamed(call["request"], names).split()
            sent = {"params": renamed(call.get("query", {}), names), "json": renamed(call.get("json"), names)}
            if "body" in call:
                content = "no pipeline" if "is no pipeline" in call["what"] else yaml.safe_dump(PIPELINE)
                sent = {"params": sent["params"], "files": {"uploadfile": ("pipeline.yaml", content)}}
            got = requests.request(method, server.url + path, **sent, timeout=10)
            plain = not got.headers["Content-Type"].startswith("application/json")
            answer = got.text if plain else got.json()
            learn(call["answer"], answer, names)
            here = answer if isinstance(answer, str) else shape(answer)
            wanted = call["answer"] if plain else shape(renamed(call["answer"], names))
            if call["what"] == "schedules":  # made in one second, so that chance says which of the four come first
                here, wanted = ({**one, "recurringRuns": len(one["recurringRuns"])} for one in (here, wanted))
            assert (got.status_code, here) == (call["status"], wanted), call["what"]


@pytest.fixture(scope="module")
def package(tmp_path_factory):
    """The compiled pipeline."""
    path = tmp_path_factory.mktemp("compiled") / "pipeline.yaml"
    compile_pipeline(read_profile(None, "kubeflow"), Images(**IMAGES), "kubeflow", path)
    return path


def played(name, package):
    """Returns a run of the pipeline that ends like a recorded one, as the server here tells of it."""
    with FakeKubeflow(stock=name not in WITHOUT_DEFAULTS) as server:

        def call(method, path, **sent):
            return requests.request(method, f"{server.url}/apis/v2beta1/{path}", timeout=10, **sent).json()

        experiment = call("POST", "experiments", json={"display_name": "graft"})["experiment_id"]
        pipeline = call("POST", "pipelines", json={"name": "graft"})["pipeline_id"]
        version = call(
            "POST",
            "pipelines/upload_version",
            params={"name": "v1", "pipelineid": pipeline},
            files={"uploadfile": package.read_bytes()},
        )
        reference = {key: version[key] for key in ("pipeline_id", "pipeline_version_id")}
        asked = {"display_name": "run", "experiment_id": experiment, "pipeline_version_reference": reference}
        given = {"parameters": dataclasses.asdict(Parameters("gs://pictures/photos.zip"))}
        run = call("POST", "runs", json={**asked, "runtime_config": given})["run_id"]
        if steps := CANCELLED.get(name) or PLAYED.get(name):
            server.set_state(run, "RUNNING", steps)
        if name in CANCELLED:
            call("POST", f"runs/{run}:terminate")
            if name == "image-cannot-be-pulled":  # nor could that of notify
                state, ended = server.scripts[run][-1]
                server.scripts[run][-1] = (state, {**ended, "notify": "FAILED"})
        else:
            server.set_state(run, recorded(name, {})["state"])
        return [call("GET", f"runs/{run}") for _ in range(2)][-1]


@pytest.mark.parametrize("name", RUNS)
def test_a_run_that_ends_like_a_recorded_one_has_its_tasks_and_states(package, name):
    run = played(name, package)
    assert states(run) == states(recorded(name, {}))
    assert keys(run) == {key: RUNS[name][key] for key in ("keys", "task_keys")}


def test_the_digest_is_what_was_recorded():
    folder = Path(os.environ.get("GRAFT_TEST_RECORDINGS") or "nowhere")
    if not folder.is_dir():
        skip("recordings", "GRAFT_TEST_RECORDINGS doesn't name the recordings that recorded/ is a digest of")
    assert [digest(path) for path in sorted(folder.glob("run-*"))] == list(RUNS.values())
    calls = [json.loads(line) for line in (folder / "answers.jsonl").read_text().splitlines()]
    assert [call["what"] for call in ANSWERS] == [call["what"] for call in calls]
    for call, seen in zip(ANSWERS, calls, strict=True):
        assert shape(call["answer"]) == shape(seen["answer"])


OWN = {"maxRetryCount": 2, "backoffDuration": "60s", "backoffFactor": 2.0, "backoffMaxDuration": "2592000s"}
AGAIN = [("exit 1", 5)] * 9


@pytest.mark.parametrize(
    ("ends", "defaults", "retry", "attempts"),
    [
        # Recorded: killed, exit-1-after-retries and max-duration.
        ([("out of memory", 5)] * 9, STOCK, OWN, 1),
        (AGAIN, None, OWN, 3),
        ([("exit 1", 70), ("succeeded", 5)], None, {**OWN, "backoffMaxDuration": "60s"}, 1),
        # Reported of the same installation.
        ([("exit 1", 5), ("succeeded", 600)], None, {**OWN, "backoffMaxDuration": "600s"}, 2),
        (AGAIN, None, {**OWN, "backoffMaxDuration": "0s"}, 1),
        (AGAIN, None, {**OWN, "backoffFactor": 1.5}, 1),
        ([("pod lost", 5)] * 9, STOCK, OWN, 3),
        ([("pod lost", 5)] * 9, STOCK, None, 3),
        ([("pod lost", 5)] * 9, None, OWN, 1),
        (AGAIN, None, None, 1),
        ([("a child failed", 5)] * 9, {"limit": "2", "retryPolicy": "Always"}, None, 3),
        # With the patch.
        (AGAIN, MENDED, OWN, 3),
        ([("timed out", 5)] * 9, MENDED, {**OWN, "maxRetryCount": 1}, 2),
        ([("pod lost", 5)] * 9, MENDED, OWN, 3),
        ([("pod lost", 5)] * 9, MENDED, None, 3),
        (AGAIN, MENDED, None, 1),
        ([("a child failed", 5)] * 9, MENDED, None, 1),
    ],
)
def test_argo_makes_the_attempts_that_it_was_seen_to_make(ends, defaults, retry, attempts):
    made = play(ends, defaults, retry)
    assert len(made) == attempts
    if ends[-1] == ("succeeded", 600):
        assert made[-1] == "past the deadline"
