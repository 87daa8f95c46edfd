"""`graft logs`: what is kept of a step's output, and where to look where nothing is."""

import fsspec
import pytest
from fake_kubeflow import FakeKubeflow
from profiles import write_profile
from recorded_runs import recorded

pytestmark = pytest.mark.slow


@pytest.fixture
def logs(graft, tmp_path, bucket):
    """A function that prints the output of a recorded run's steps, and one that keeps some, as KFP's launcher does."""
    with FakeKubeflow() as server:
        profile = write_profile(tmp_path / "profile.yaml", "kubeflow", server.url)

        def ask(name, *step, root=f"{bucket}/artifacts"):
            run = recorded(name, {})
            if root:
                run["runtime_config"]["pipeline_root"] = root
            server.runs[run["run_id"]], server.scripts[run["run_id"]] = run, []
            return graft("logs", run["run_id"], *step, "--target", "kubeflow", "--profile", profile)

        def keep(name, path, content):
            run = recorded(name, {})["run_id"]
            fsspec.filesystem("gs").pipe_file(f"{bucket}/artifacts/graft/{run}/{path}", content)

        yield ask, keep, profile


def test_each_attempt_s_output_is_printed_in_order(logs):
    ask, keep, _ = logs
    name = "exit-1-after-retries"
    keep(name, "resolve/d1/executor-logs-1", b"second \x1b[2J\n")
    keep(name, "resolve/d1/executor-logs-0", b"first, of https://u:S3CRET@host/a?sig=S3CRET\n")
    keep(name, "resolve/d1/digest", b"no log")
    keep(name, "notify/d2/executor-logs-0", b"notified, \xff\n")
    ended = ask(name)
    assert ended.code == 0, ended.said
    lines = ended.out.splitlines()
    assert [line.partition(":")[0] for line in lines[::2]] == [
        "--- resolve, attempt 1",
        "--- resolve, attempt 2",
        "--- notify, attempt 1",
    ]
    assert lines[1::2] == ["first, of https://host/a", "second \\u001b[2J", "notified, \ufffd"]
    assert "no log" not in ended.out and "Nothing is kept" not in ended.said
    assert "notified" not in ask(name, "resolve").out


def test_what_parts_printed_is_their_step_s_and_comes_before_it(logs):
    ask, keep, _ = logs
    for path in ("ingest/d0/executor-logs-0", "ingest-part/d1/executor-logs-0", "ingest-part/d2/executor-logs-0"):
        keep("succeeded", path, f"{path}\n".encode())
    keep("succeeded", "ingest-part/d2/executor-logs-1", b"again\n")
    keep("succeeded", "for-loop-1/d3/executor-logs-0", b"no step's\n")
    ended = ask("succeeded", "ingest")
    assert ended.code == 0, ended.said
    assert [line.partition(":")[0] for line in ended.out.splitlines() if line.startswith("---")] == [
        "--- ingest-part, attempt 1",
        "--- ingest-part, attempt 1",
        "--- ingest-part, attempt 2",
        "--- ingest, attempt 1",
    ]
    assert "no step's" not in ended.out and "again" not in ask("succeeded", "train").said


def test_of_a_killed_step_nothing_is_kept_and_kubectl_is_named(logs):
    ask, keep, _ = logs
    keep("killed", "ingest/d1/executor-logs-0", b"ingested\n")
    ended = ask("killed", "train")
    assert (ended.code, ended.out.startswith("Nothing is kept of train:")) == (1, False)
    run = recorded("killed", {})["run_id"]
    command = f"kubectl logs --tail=-1 --prefix --container main --namespace kubeflow --selector pipeline/runid={run}"
    assert "Nothing is kept of train:" in ended.said and command in ended.said
    both = ask("killed")
    assert (both.code, "ingested" in both.out, "Nothing is kept of resolve, train, notify" in both.said) == (
        0,
        True,
        True,
    )
    never = ask("killed", "export")
    assert (never.code, "export of run" in never.said) == (1, True)


@pytest.mark.parametrize("root", ["", "minio://mlpipeline/v2/artifacts"])
def test_where_the_artifacts_can_t_be_read_kubectl_is_named(logs, root):
    ask, _, profile = logs
    profile.write_text(profile.read_text().replace("pipeline_root: gs://bucket/artifacts\n", ""))
    ended = ask("killed", root=root)
    assert (ended.code, "kubectl logs" in ended.said) == (1, True), ended.said


def test_a_run_on_this_machine(graft, tmp_path):
    (tmp_path / "runs/1").mkdir(parents=True)
    begin = "11:04:05.622 - INFO - Executing task"
    text = f"{begin} 'train'\n    epoch 1\n11:04:07.622 - INFO - Task 'train' finished\n{begin} 'gate'\n    passed\n"
    (tmp_path / "runs/1/log.txt").write_text(text)
    assert graft("logs", "1").out == text
    assert graft("logs", "1", "gate").out == f"{begin} 'gate'\n    passed\n"
    ended = graft("logs", "2")
    assert (ended.code, "log.txt can't be read" in ended.said, "--target" in ended.said) == (1, True, True)


@pytest.mark.parametrize("cluster", ["vertex"], indirect=True)
def test_on_vertex_the_log_of_its_jobs_is_named(graft, cluster):
    run = graft("submit", *cluster.options, "--source", "gs://pictures/photos.zip").out.split()[0]
    job = {"mainJob": "projects/1/locations/l/customJobs/123"}
    detail = {"taskId": "1", "taskName": "train", "state": "RUNNING", "executorDetail": {"containerDetail": job}}
    cluster.server.runs[run]["jobDetail"] = {"taskDetails": [detail]}
    ended = graft("logs", run, *cluster.options)
    command = (
        """gcloud logging read --project p --order asc 'resource.type="ml_job" AND resource.labels.job_id=(123)'"""
    )
    assert (ended.code, command in ended.said) == (1, True), ended.said
