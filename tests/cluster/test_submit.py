"""Submitting, watching and cancelling runs on both targets, also when the network fails."""

import json
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import fsspec
import pytest
from run_records import ENDINGS, leave_records

from graft.components.common.parameters import PUBLIC_ARCHIVE, Parameters
from graft.components.common.runs.step_record import Run
from graft.components.common.steps import COMPONENTS
from graft.components.common.storage import retries
from graft.pipelines.cluster import submitting, watching

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


def test_a_run_is_started_and_its_page_printed(graft, cluster):
    ended = graft(
        "submit", *cluster.options, *SOURCE, "--store", "gs://b/store", "--name", "pets", "--learning-rate", "0.001"
    )
    assert ended.code == 0, ended.said
    run, link = ended.out.split()
    assert run in link
    parameters = cluster.parameters(run)
    assert parameters["source"] == "gs://pictures/photos.zip"
    assert (parameters["store"], parameters["name"], parameters["weights"]) == ("gs://b/store", "pets", "imagenet")
    assert (parameters["learning_rate"], parameters["force"]) == (0.001, False)
    run = graft("submit", *cluster.options, *SOURCE, "--store", "gs://b/store").out.split()[0]
    assert cluster.parameters(run)["name"] == "model"


def test_the_longest_name_will_do(graft, cluster):
    ended = graft("submit", *cluster.options, *SOURCE, "--store", "gs://b/store", "--name", "n" * 128)
    assert ended.code == 0, ended.said


def test_without_a_source_it_trains_on_the_public_archive(graft, cluster):
    run = graft("submit", *cluster.options).out.split()[0]
    assert cluster.parameters(run)["source"] == PUBLIC_ARCHIVE
    assert cluster.parameters(run)["weights"] == "imagenet"
    assert cluster.parameters(run)["name"] == "sample"
    run = graft("submit", *cluster.options, "--name", "model").out.split()[0]
    assert cluster.parameters(run)["name"] == "model"


def test_what_the_profile_says_goes_with_the_run(graft, cluster):
    cluster.profile.write_text(cluster.profile.read_text() + "store: gs://b/of-the-profile\n")
    run = graft("submit", *cluster.options).out.split()[0]
    entry = cluster.server.runs[run]
    assert cluster.parameters(run)["store"] == "gs://b/of-the-profile"
    if cluster.target == "vertex":
        assert entry["serviceAccount"] == "graft@p.iam.example"
        assert entry["runtimeConfig"]["gcsOutputDirectory"] == "gs://bucket/artifacts"
    else:
        assert entry["runtime_config"]["pipeline_root"] == "gs://bucket/artifacts"


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
    monkeypatch.setattr("graft.pipelines.cluster.backend.RETRY_SECONDS", 0.2)
    ends_as(cluster, "SUCCEEDED", "success", f"{bucket}/store")
    looks = "GET .*(runs|pipelineJobs)/"
    if fault == "drop":
        cluster.server.drop(looks, times=6)
    elif fault == "slow":
        monkeypatch.setattr("graft.pipelines.cluster.backend.SECONDS", 2)
        cluster.server.slow(looks, seconds=4, times=2)
    else:
        cluster.server.fail(looks, status=int(fault), times=6)
    ended = graft("submit", *cluster.options, *SOURCE, "--store", f"{bucket}/store", "--name", "pets", "--wait")
    assert ended.code == 0, ended.said
    assert "succeeded: export" in ended.said


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_a_run_is_started_once_though_the_answer_is_lost(graft, cluster, after):
    cluster.server.drop("POST .*(/runs|/pipelineJobs)", after=after)
    ended = graft("submit", *cluster.options, *SOURCE)
    assert ended.code == 0, ended.said
    assert list(cluster.server.runs) == ended.out.split()[:1]


def test_errors_that_pass_are_ridden_out_and_others_are_said(graft, cluster):
    cluster.server.fail("POST .*(/runs|/pipelineJobs)", status=503, times=2)
    assert graft("submit", *cluster.options, *SOURCE).code == 0
    cluster.server.fail("POST .*(/runs|/pipelineJobs)", status=500, times=100)
    ended = graft("submit", *cluster.options, *SOURCE)
    assert (ended.code, "is not working (HTTP 500: it was told to fail)" in ended.said) == (1, True)
    cluster.server.faults.clear()
    cluster.server.fail("POST .*(/runs|/pipelineJobs)", status=403)
    ended = graft("submit", *cluster.options, *SOURCE)
    assert (ended.code, "refuses (HTTP 403: it was told to fail)" in ended.said) == (1, True)
    assert "Traceback" not in ended.said


def test_nobody_there(graft, cluster):
    cluster.profile.write_text(cluster.profile.read_text().replace(cluster.server.url, "http://127.0.0.1:9"))
    ended = graft("submit", *cluster.options, *SOURCE)
    assert (ended.code, "can't be reached" in ended.said) == (1, True)


def test_cancel_and_status(graft, cluster, bucket):
    cluster.server.script(RUNNING)
    run = graft("submit", *cluster.options, *SOURCE, "--store", f"{bucket}/store").out.split()[0]
    shown = graft("status", run, *cluster.options)
    assert shown.code == 0
    assert "running" in shown.out and run in shown.out
    assert "is being cancelled" in graft("cancel", run, *cluster.options).out
    ended = graft("status", run, *cluster.options, "--wait")
    assert (ended.code, "cancelled: cancelled during ingest" in ended.said) == (4, True)
    assert "is already over" in graft("cancel", run, *cluster.options).out
    assert graft("status", run, *cluster.options).code == 4, "the store remembers that it was cancelled"


def test_an_unknown_run(graft, cluster):
    for command in ("status", "cancel"):
        ended = graft(command, "nobody", *cluster.options)
        assert (ended.code, "HTTP 404" in ended.said) == (1, True)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--source", "photos"], "--source photos is on this machine"),
        (["--source", "file:///photos"], "--source file:///photos is on this machine"),
        (["--weights", "weights.h5"], "--weights weights.h5 is on this machine"),
        (["--store", "runs/store"], "--store runs/store is on this machine"),
        (["--source", "https://user:S3CRET@host/a.zip"], "--source https://host/a.zip holds a user name, password"),
        (["--source", "https://host/a.zip?sig=S3CRET"], "--source https://host/a.zip holds a user name, password"),
        (["--store", "gs://user:S3CRET@b/store"], "--store gs://b/store holds a user name, password"),
        (["--source", "photos", "--upload"], "--upload needs a store"),
        (["--source", "nowhere", "--upload", "--store", "memory://s"], "nowhere doesn't exist"),
        (["--recipe", "none"], "recipe"),
        (["--config", "{"], "--config is not JSON"),
        (["--name", "a/b", "--store", "gs://b/s"], "'a/b' can't be a name"),
    ],
)
def test_what_would_not_do_on_a_cluster_is_refused_before_anything_is_sent(graft, cluster, options, said):
    ended = graft("submit", *cluster.options, *options)
    assert (ended.code, said in ended.said) == (1, True), ended.said
    assert "S3CRET" not in ended.said
    assert cluster.server.asked == []


def test_weights_inside_the_image_are_no_local_path(graft, cluster):
    run = graft("submit", *cluster.options, "--weights", "/opt/weights/w.h5").out.split()[0]
    assert cluster.parameters(run)["weights"] == "/opt/weights/w.h5"


def test_local_inputs_are_copied_into_the_store_once(graft, cluster, bucket, tmp_path):
    (tmp_path / "photos" / "cats").mkdir(parents=True)
    (tmp_path / "photos" / "cats" / "a [1]*é.jpg").write_bytes(b"cat")
    (tmp_path / "photos.zip").write_bytes(b"zip")
    options = [*cluster.options, "--store", f"{bucket}/store", "--upload"]
    fs = fsspec.filesystem("gs")
    for path, inside in (("photos", "/cats/a [1]*é.jpg"), ("photos.zip", "")):
        run = graft("submit", *options, "--source", path).out.split()[0]
        source = cluster.parameters(run)["source"]
        assert source.startswith(f"{bucket}/store/uploads/") and source.endswith(f"/{path}")
        assert fs.cat_file(f"{source}{inside}") == (tmp_path / f"{path}{inside}").read_bytes()
    ended = graft("submit", *options, "--source", "photos.zip")
    assert "is in the store already" in ended.said
    assert cluster.parameters(ended.out.split()[0])["source"] == source


def test_a_copy_that_broke_off_is_made_again(graft, cluster, tmp_path, monkeypatch):
    for name in "abc":
        (tmp_path / "photos" / "cats").mkdir(parents=True, exist_ok=True)
        (tmp_path / "photos" / "cats" / f"{name}.jpg").write_bytes(name.encode())
    fs = fsspec.filesystem("memory")
    put, count = type(fs).put_file, []

    def break_off(self, *arguments, **options):
        count.append(1)
        if len(count) == 2:
            raise OSError("connection reset")
        return put(self, *arguments, **options)

    monkeypatch.setattr(type(fs), "put_file", break_off)
    options = [
        "submit",
        *cluster.options,
        "--store",
        f"memory://broken-off-{cluster.target}",
        "--upload",
        "--source",
        "photos",
    ]
    assert graft(*options).code == 1
    assert cluster.server.runs == {}
    source = cluster.parameters(graft(*options).out.split()[0])["source"]
    assert sorted(path.rpartition("/")[2] for path in fs.find(source)) == ["a.jpg", "b.jpg", "c.jpg"]


def test_other_weights_are_refused_before_they_are_copied(graft, cluster, tmp_path):
    (tmp_path / "weights.h5").write_bytes(b"no weights")
    ended = graft("submit", *cluster.options, "--weights", "weights.h5", "--upload", "--store", "memory://weights")
    assert (ended.code, "is not a Keras weights file" in ended.said) == (1, True)


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
        deadline = time.monotonic() + 60
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


@pytest.mark.parametrize(
    "cluster", ["kubeflow"], indirect=True
)  # Vertex keeps none: the compiled one goes with each run
def test_a_pipeline_is_uploaded_once_and_again_when_it_changed(graft, cluster):
    for _ in range(2):
        graft("submit", *cluster.options, *SOURCE)
    assert (len(cluster.server.pipelines), len(cluster.server.versions), len(cluster.server.runs)) == (1, 1, 2)
    cluster.profile.write_text(cluster.profile.read_text() + "store: gs://b/other\n")
    graft("submit", *cluster.options, *SOURCE)
    assert (len(cluster.server.pipelines), len(cluster.server.versions), len(cluster.server.runs)) == (1, 2, 3)
    (experiment,) = cluster.server.experiments.values()
    assert experiment["display_name"] == "graft"


@pytest.mark.parametrize("cluster", ["kubeflow"], indirect=True)
def test_an_archived_experiment_is_told_of(graft, cluster):
    assert "archived" not in graft("submit", *cluster.options, *SOURCE).said
    (experiment,) = cluster.server.experiments.values()
    experiment["storage_state"] = "ARCHIVED"
    ended = graft("submit", *cluster.options, *SOURCE)
    assert (ended.code, "experiment graft is archived: Kubeflow's pages don't list its runs" in ended.said) == (0, True)


@pytest.mark.parametrize("cluster", ["kubeflow"], indirect=True)
def test_the_table_in_a_pipe_has_a_line_a_step(graft, cluster, bucket):
    ends_as(cluster, "SUCCEEDED", "success", f"{bucket}/store")
    run = graft(
        "submit", *cluster.options, *SOURCE, "--store", f"{bucket}/store", "--name", "pets", "--wait"
    ).out.split()[0]
    rows = graft("status", run, *cluster.options).out.splitlines()
    assert [row.split()[0] for row in rows] == [
        "step",
        *COMPONENTS,
        "succeeded:",
        cluster.server.url + f"/#/runs/details/{run}",
    ]
    assert max(map(len, rows)) > 80


@pytest.mark.parametrize("cluster", ["kubeflow"], indirect=True)
def test_two_at_once_upload_it_once(graft, cluster):
    for path in ("POST .*/experiments", "POST .*/pipelines$", "POST .*/upload_version"):
        cluster.server.slow(path, seconds=0.3)
    from graft.pipelines.cluster.connecting import Cluster, connect
    from graft.pipelines.cluster.profile.reading import read_profile

    where = Cluster("kubeflow", cluster.profile)
    profile = read_profile(cluster.profile, "kubeflow")
    with submitting.packaged(profile, where) as package:
        threads = [
            threading.Thread(
                target=lambda n=n: connect(where, profile).submit(package, Parameters("gs://a"), f"run {n}")
            )
            for n in range(2)
        ]
        for thread in threads:
            thread.start()
            time.sleep(0.1)
        for thread in threads:
            thread.join()
    assert len(cluster.server.versions) == 1
    assert len(cluster.server.runs) == 2
    assert json.dumps(list(cluster.server.pipelines))
