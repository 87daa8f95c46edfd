"""What is said of runs as a real Kubeflow Pipelines told of them: recorded runs, with the records that their steps had left."""

from datetime import UTC, datetime, timedelta

import pytest
from fake_kubeflow import FakeKubeflow
from profiles import write_profile
from recorded_runs import recorded
from run_records import ENDINGS, leave_records

from graft.components.common.errors import GraftError
from graft.components.common.runs.run import Run
from graft.components.common.runs.step_record import mark_cancelled

STEPS = ["resolve", "ingest", "train", "evaluate", "gate", "export", "notify"]
TIME_LIMIT = "steps: {train: {timeout: 25s}}\n"
KILLED = "train: left no record; it was killed, ran out of memory or never started"


@pytest.fixture
def server():
    with FakeKubeflow() as fake:
        yield fake


@pytest.fixture
def status(server, graft, tmp_path):
    """A function that says of a recorded run what `graft status` does, and the state of each step."""

    def ask(name, records=None, profile="", change=lambda run: None, command="status"):
        store = str(tmp_path / "store") if records is not None else ""
        run = recorded(name, {"store": store, "name": "pets"})
        change(run)
        server.runs[run["run_id"]], server.scripts[run["run_id"]] = run, []
        if records:
            leave_records(Run(store, "pets", run["run_id"]), **records)
        where = write_profile(tmp_path / "profile.yaml", "kubeflow", server.url, profile)
        ended = graft(command, run["run_id"], "--target", "kubeflow", "--profile", where)
        rows = [line.split("  ") for line in ended.out.splitlines()]
        ended.states = {
            row[0].strip(): [part.strip() for part in row if part.strip()][1] for row in rows if row[0].strip() in STEPS
        }
        return ended

    return ask


NOT_RUN = dict.fromkeys(["evaluate", "gate", "export"], "not run")
TRAIN_STOPPED = {"resolve": "succeeded", "ingest": "succeeded", "train": "cancelled", **NOT_RUN, "notify": "succeeded"}


@pytest.mark.parametrize("name", ["cancelled-in-kubeflow", "cancelled"])
@pytest.mark.parametrize("records", [None, ENDINGS["killed"]], ids=["no store", "records"])
def test_a_cancel_in_kubeflow_s_own_page_is_a_cancel(status, name, records):
    ended = status(name, records)
    assert (ended.code, "cancelled: cancelled during train\n" in ended.out) == (4, True), ended.said
    assert ended.states == TRAIN_STOPPED
    assert "memory" not in ended.said


def test_a_run_cancelled_before_its_first_step(status):
    ended = status("driver-of-exit-handler-failed")
    assert (ended.code, "cancelled: cancelled before resolve\n" in ended.out) == (4, True), ended.said
    assert "pending" not in ended.said


def test_a_run_cancelled_and_tried_again_that_really_failed(status, tmp_path):
    def try_again(run):
        later = [{"update_time": "2126-11-26T17:09:23Z", "state": state} for state in ("FAILED", "RUNNING", "FAILED")]
        run["state_history"] += later
        mark_cancelled(Run(str(tmp_path / "store"), "pets", run["run_id"]))

    ended = status("cancelled", ENDINGS["killed"], change=try_again)
    assert (ended.code, f"failed: {KILLED}" in ended.out) == (1, True), ended.said


def test_cancelled_by_graft_though_kubeflow_never_told_of_it(status, tmp_path):
    def forget(run):
        run["state_history"][-1]["state"] = "FAILED"
        mark_cancelled(Run(str(tmp_path / "store"), "pets", run["run_id"]))

    ended = status("cancelled", ENDINGS["killed"], change=forget)
    assert (ended.code, "cancelled: cancelled during train" in ended.out) == (4, True), ended.said


def test_a_second_cancel_while_the_first_is_under_way(status, server):
    def start(run):
        run |= {"state": "CANCELING", "finished_at": "1970-01-01T00:00:00Z"}

    ended = status("cancelled", change=start, command="cancel")
    assert (ended.code, "is being cancelled" in ended.out) == (0, True), ended.said
    server.fail(":terminate", status=400)  # any other refusal is told
    refused = status("cancelled", change=lambda run: run.update(state="RUNNING"), command="cancel")
    assert (refused.code, "HTTP 400" in refused.said) == (1, True)


@pytest.mark.parametrize("records", [None, ENDINGS["killed"]], ids=["no store", "records"])
def test_a_step_that_was_stopped_when_its_time_limit_had_passed(status, records):
    ended = status("timed-out", records, TIME_LIMIT)
    said = "failed: train: it was stopped when its time limit of 25s had passed"
    assert (ended.code, said in ended.out) == (1, True), ended.said
    assert ended.states == {**TRAIN_STOPPED, "train": "failed"}


@pytest.mark.parametrize(
    ("profile", "said"),
    [
        (TIME_LIMIT, "train: it was stopped when its time limit of 25s had passed"),
        ("", "train: it was told to end before it was done, though nobody cancelled the run"),
    ],
)
def test_told_to_end_is_no_cancel_where_kubeflow_says_that_there_was_none(status, tmp_path, profile, said):
    with pytest.raises(KeyboardInterrupt):
        run = Run(str(tmp_path / "store"), "pets", recorded("timed-out", {})["run_id"])
        leave_records(run, until="train", error=KeyboardInterrupt())
    ended = status("timed-out", {}, profile)
    assert (ended.code, f"failed: {said}" in ended.out) == (1, True), ended.said


def test_a_killed_step_that_stayed_within_its_time_limit(status):
    for name in ("killed", "max-duration"):
        ended = status(name, ENDINGS["killed"], "steps: {train: {timeout: 6h}}\n")
        assert (ended.code, f"failed: {KILLED}" in ended.out) == (1, True), ended.said


def test_a_step_whose_driver_failed(status):
    for records in (None, {"until": "resolve"}):
        ended = status("driver-failed", records)
        said = "failed: ingest: Kubeflow could not start it: ingest-driver failed"
        assert (ended.code, said in ended.out) == (1, True), ended.said
        assert (ended.states["ingest"], ended.states["train"]) == ("failed", "not run")


def test_what_a_step_told_itself_comes_first(status):
    ended = status(
        "exit-1-after-retries", {"until": "resolve", "error": GraftError("gs://graft/missing.zip doesn't exist")}
    )
    assert (ended.code, "failed: resolve: gs://graft/missing.zip doesn't exist" in ended.out) == (1, True), ended.said
    ended = status("gate-failed", ENDINGS["gate"])
    assert (ended.code, "gate failed: gate: accuracy 0.87 is below 0.9" in ended.out) == (3, True), ended.said


def test_a_success_of_which_the_exit_task_was_killed(status):
    ended = status("notify-killed", ENDINGS["unchanged"])
    assert (ended.code, "unchanged: resolve: nothing new" in ended.out) == (0, True), ended.said
    assert (ended.states["ingest"], ended.states["notify"]) == ("not run", "failed")


def waiting(minutes, *, pod="PENDING"):
    """Makes of the run whose image could not be pulled one that still waits for it."""

    def change(run):
        began = (datetime.now(UTC) - timedelta(minutes=minutes)).strftime("%Y-%m-%dT%H:%M:%SZ")
        run |= {"state": "RUNNING", "finished_at": "1970-01-01T00:00:00Z"}
        run["state_history"] = run["state_history"][:2]
        tasks = run["run_details"]["task_details"]
        begun = [
            task
            for task in tasks
            if task["display_name"] in ("resolve", "executor(0)") and "17:38:17" in task["start_time"]
        ]
        for task in begun:
            task |= {"state": pod if "executor" in task["display_name"] else "RUNNING"}
            task |= {"start_time": began, "end_time": "1970-01-01T00:00:00Z"}
        drivers = [task for task in tasks if task["display_name"] in ("resolve-driver", "exit-handler-1-driver")]
        run["run_details"]["task_details"] = begun + drivers

    return change


def test_a_step_that_can_t_start_is_told_of_with_the_command_that_shows_why(status):
    ended = status("image-cannot-be-pulled", change=waiting(6))
    assert (ended.code, ended.states["resolve"], ended.states["ingest"]) == (0, "starting", "pending"), ended.said
    assert "resolve has not reported since " in ended.out
    run = recorded("image-cannot-be-pulled", {})["run_id"]
    command = f"see its pod: kubectl describe pods --namespace kubeflow --selector pipeline/runid={run}"
    assert f"and its pod does not run yet: {command}" in ended.out
    assert "has not reported" not in status("image-cannot-be-pulled", change=waiting(4)).said


def between_steps(minutes):
    """Makes of the run that succeeded one whose train has ended, after hours, and whose evaluate has still to begin."""

    def change(run):
        now = datetime.now(UTC)
        began, ended = (
            (now - timedelta(minutes=past)).strftime("%Y-%m-%dT%H:%M:%SZ") for past in (minutes + 200, minutes)
        )
        run |= {"state": "RUNNING", "created_at": began, "finished_at": "1970-01-01T00:00:00Z"}
        run["state_history"] = [{"state": "RUNNING", "update_time": began}]
        tasks = run["run_details"]["task_details"]
        run["run_details"]["task_details"] = [
            {**task, "start_time": began, "end_time": ended}
            for task in tasks
            if task.get("display_name") in ("resolve", "ingest", "train")
        ]

    return change


def test_a_step_that_has_still_to_begin_waits_since_the_one_before_ended(status):
    assert "has not reported" not in status("succeeded", change=between_steps(1)).said
    assert "evaluate has not reported since " in status("succeeded", change=between_steps(6)).out


def test_a_step_that_works_for_long_is_told_of_otherwise(status):
    ended = status("image-cannot-be-pulled", change=waiting(6, pod="RUNNING"))
    assert ended.states["resolve"] == "running"
    assert "as it does when it ends: see its pod: kubectl logs " in ended.out
