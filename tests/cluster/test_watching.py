"""Watching runs to their end and cancelling them, on both targets, also when the network fails."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from run_records import ENDINGS, leave_records

from graft.components.common.runs.run import Run
from graft.components.common.steps import STEPS
from graft.components.common.storage.troubles import retries
from graft.pipelines.cluster import watching
from graft.pipelines.cluster.connecting import Cluster, connect

pytestmark = pytest.mark.slow

SOURCE = ["--source", "gs://pictures/photos.zip"]
RUNNING = ("RUNNING", {"resolve": "SUCCEEDED", "ingest": "RUNNING"})


def ends_as(cluster, state, ending, store, steps=None):
    """Makes the next run go through some states, and leave the records of its ending."""
    cluster.server.script(("PENDING", None), RUNNING, RUNNING, (state, steps or {"resolve": "SUCCEEDED"}))

    def on_create(run):
        identifier = run["name"].rpartition("/")[2] if cluster.target == "vertex" else run["run_id"]
        if ending:
            leave_records(Run(store, "pets", identifier), **ENDINGS[ending])

    cluster.server.on_create = on_create


@pytest.mark.parametrize(
    ("ending", "state", "code", "said"),
    [
        ("success", "SUCCEEDED", 0, "succeeded: export"),
        ("unchanged", "SUCCEEDED", 0, "unchanged: resolve"),
        ("gate", "FAILED", 3, "gate failed: gate: accuracy 0.87 is below 0.9"),
        ("error", "FAILED", 1, "failed: ingest: photos.zip is empty"),
        ("killed", "FAILED", 1, "failed: train: left no record"),
        ("killed", "CANCELLED", 4, "cancelled: cancelled before train"),
        # The record, not the backend's word: a run without an export did not succeed.
        ("killed", "SUCCEEDED", 1, "failed: train: left no record"),
    ],
)
def test_waiting_ends_with_the_run_s_exit_code(graft, cluster, bucket, ending, state, code, said):
    ends_as(cluster, state, ending, f"{bucket}/store")
    if cluster.target == "kubeflow" and state == "CANCELLED":  # which Kubeflow doesn't tell from a failure in the end
        cluster.server.script(RUNNING, ("CANCELING", None), ("FAILED", None))
    ended = graft("submit", *cluster.options, *SOURCE, "--store", f"{bucket}/store", "--name", "pets", "--wait")
    assert ended.code == code, ended.said
    assert said in ended.said
    assert "ingest: running" in ended.said
    again = graft("status", ended.out.split()[0], *cluster.options)
    assert (again.code, said in again.said) == (code, True)


def test_without_a_run_record_the_backend_s_word_has_to_do_and_that_is_said(graft, cluster):
    for state, code in (("SUCCEEDED", 0), ("FAILED", 1)):
        ends_as(cluster, state, None, "", {"resolve": "SUCCEEDED", "ingest": state})
        ended = graft("submit", *cluster.options, *SOURCE, "--wait")
        assert (ended.code, "there is no run record" in ended.said) == (code, True)
        assert "no store is named" in ended.said


def test_a_store_that_can_t_be_read_is_said(graft, cluster, monkeypatch):
    monkeypatch.setattr(retries, "PATIENCE", 1.0)
    ends_as(cluster, "SUCCEEDED", None, "")
    ended = graft("submit", *cluster.options, *SOURCE, "--store", "http://127.0.0.1:9/store", "--wait")
    assert "the run record can't be read, so this is what the backend says" in ended.said


@pytest.mark.parametrize("fault", ["drop", "500", "429", "slow"])
def test_a_lost_connection_while_waiting_is_never_the_run_s_failure(graft, cluster, bucket, fault, monkeypatch):
    monkeypatch.setattr("graft.components.common.services.api_client.RETRY_SECONDS", 0.2)
    ends_as(cluster, "SUCCEEDED", "success", f"{bucket}/store")
    looks = "GET .*(runs|pipelineJobs)/"
    if fault == "drop":
        cluster.server.drop(looks, times=6)
    elif fault == "slow":
        monkeypatch.setattr("graft.components.common.services.api_client.SECONDS", 2)
        cluster.server.slow(looks, seconds=4, times=2)
    else:
        cluster.server.fail(looks, status=int(fault), times=6)
    ended = graft("submit", *cluster.options, *SOURCE, "--store", f"{bucket}/store", "--name", "pets", "--wait")
    assert ended.code == 0, ended.said
    assert "succeeded: export" in ended.said


def test_cancel_and_status(graft, cluster, bucket):
    cluster.server.script(RUNNING)
    run = graft("submit", *cluster.options, *SOURCE, "--store", f"{bucket}/store").out.split()[0]
    shown = graft("status", run, *cluster.options)
    assert shown.code == 0
    assert "running" in shown.out and run in shown.out
    assert "is being cancelled" in graft("cancel", run, *cluster.options).out
    cluster.server.scripts[run].insert(0, ("CANCELLING" if cluster.target == "vertex" else "CANCELING", None))
    assert "is being cancelled" in graft("cancel", run, *cluster.options).out, "a second time"
    ended = graft("status", run, *cluster.options, "--wait")
    assert (ended.code, "cancelled: cancelled during ingest" in ended.said) == (4, True)
    assert "is already over" in graft("cancel", run, *cluster.options).out
    assert graft("status", run, *cluster.options).code == 4, "the store remembers that it was cancelled"


def test_ctrl_c_ends_the_watching_and_not_the_run(graft, cluster, monkeypatch):
    cluster.server.script(*[RUNNING] * 3)
    seen = []

    def interrupt(seconds):
        seen.append(seconds)
        if len(seen) == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr(watching.time, "sleep", interrupt)
    ended = graft("submit", *cluster.options, *SOURCE, "--wait")
    run = ended.out.split()[0]
    assert ended.code == 130
    assert f"the run goes on; watch it again with: graft status {run} --target {cluster.target}" in ended.said
    assert str(cluster.profile) in ended.said
    assert cluster.server.times(":(terminate|cancel)") == 0


def test_ctrl_c_in_a_process_of_its_own(graft, cluster, tmp_path):
    cluster.server.script(*[RUNNING] * 1000)
    command = [Path(sys.executable).with_name("graft"), "submit", *cluster.options, *SOURCE, "--wait"]
    with (tmp_path / "log").open("w") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
        deadline = time.monotonic() + 300
        while "ingest: running" not in (tmp_path / "log").read_text() and time.monotonic() < deadline:
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=30) == 130
    said = (tmp_path / "log").read_text()
    assert "the run goes on; watch it again with: graft status" in said and "Traceback" not in said
    (run,) = cluster.server.runs.values()
    assert run["state"].endswith("RUNNING")


def test_logged_out_while_waiting_says_how_to_watch_on(graft, cluster):
    cluster.server.script(*[RUNNING] * 3)
    cluster.server.fail("GET .*(runs|pipelineJobs)/", status=403)
    ended = graft("submit", *cluster.options, *SOURCE, "--wait")
    assert ended.code == 1
    assert "The run goes on; watch it again with: graft status" in ended.said


@pytest.mark.parametrize("cluster", ["kubeflow"], indirect=True)
def test_two_who_cancel_a_run_at_once(graft, cluster):
    run = graft("submit", *cluster.options, *SOURCE).out.split()[0]
    backend = connect(Cluster("kubeflow", cluster.profile))
    for _ in range(2):
        backend.cancel(run)
    assert cluster.server.runs[run]["state"] == "CANCELING"


@pytest.mark.parametrize("cluster", ["kubeflow"], indirect=True)
def test_the_table_in_a_pipe_has_a_line_a_step(graft, cluster, bucket):
    ends_as(cluster, "SUCCEEDED", "success", f"{bucket}/store")
    run = graft(
        "submit", *cluster.options, *SOURCE, "--store", f"{bucket}/store", "--name", "pets", "--wait"
    ).out.split()[0]
    rows = graft("status", run, *cluster.options).out.splitlines()
    assert [row.split()[0] for row in rows] == [
        "step",
        *STEPS,
        "notify",
        "succeeded:",
        cluster.server.url + f"/#/runs/details/{run}",
    ]
    assert max(map(len, rows)) > 80
