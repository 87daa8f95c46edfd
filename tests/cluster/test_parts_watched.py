"""A run of which a step has parts: how far it is and how it ended is told by the store, however old the list of its tasks is."""

from datetime import UTC, datetime, timedelta

import pyarrow as pa
import pytest
from run_records import leave_records

from graft.components.common.errors import GraftError
from graft.components.common.runs import part_record
from graft.components.common.runs.part_record import component_part
from graft.components.common.runs.parts import plan_parts
from graft.components.common.runs.run import Run
from graft.components.common.runs.step_record import mark_cancelled, recorded
from graft.components.common.steps import STEPS
from graft.pipelines.cluster import endings

pytestmark = pytest.mark.slow

SOURCE = ["--source", "gs://pictures/photos.zip"]
PLANNED = {"resolve": "SUCCEEDED", "ingest-plan": "SUCCEEDED"}
# Kubeflow tells nothing newer than this once a workflow has more than 1 MiB, until its end and after it.
FROZEN = {**PLANNED, "ingest-part": ["SUCCEEDED", "RUNNING", "RUNNING"]}


@pytest.fixture
def run(cluster, bucket, graft):
    """A function that starts a run, whose states a test goes through one by one, each with what happens before it."""

    def go(*looks, wait=True):
        def on_create(made):
            identifier = made["name"].rpartition("/")[2] if cluster.target == "vertex" else made["run_id"]
            go.run = Run(f"{bucket}/store", "pets", identifier)

        cluster.server.on_create = on_create
        options = [*cluster.options, *SOURCE, "--store", f"{bucket}/store", "--name", "pets"]
        cluster.server.script(*[(state, steps) for state, steps, _ in looks])
        events = iter([event for *_, event in looks])
        move = cluster.server.set_state

        def set_state(identifier, *states):
            next(events, lambda run: None)(go.run)
            move(identifier, *states)

        cluster.server.set_state = set_state
        return graft("submit", *options, *(["--wait"] if wait else []))

    return go


def planned(run, step="ingest", until="resolve"):
    leave_records(run, until=until)
    plan_parts(run, step, pa.table({"path": list(map(str, range(3000)))}), 3, 1)


def work(number, images=1000, error=None, step="ingest"):
    def event(run):
        try:
            with component_part(step, run.store, run.name, run.run_id, f"{number}/3") as part:
                part.begin(1000)
                part.advance(images)
                if error:
                    raise error
        except KeyboardInterrupt:
            pass

    return event


def both(*events):
    return lambda run: [event(run) for event in events]


def ends(run):
    leave_records(run)
    with recorded("notify", run):
        pass


@pytest.fixture(autouse=True)
def at_once(monkeypatch):
    monkeypatch.setattr(part_record, "_SECONDS", 0.0)


def table(ended):
    rows = [line.split("  ") for line in ended.out.splitlines()]
    return {
        row[0].strip(): [part.strip() for part in row if part.strip()][1:]
        for row in rows
        if row[0] in (*STEPS, "notify")
    }


def states(ended):
    return {step: row[0] for step, row in table(ended).items()}


def test_a_run_whose_list_of_tasks_is_frozen_is_followed_to_its_end(run, graft, cluster):
    failed = GraftError("The server stays away.")
    ended = run(
        (
            "RUNNING",
            {"resolve": "SUCCEEDED", "ingest-plan": "RUNNING"},
            lambda run: leave_records(run, until="resolve"),
        ),
        ("RUNNING", FROZEN, planned),
        ("RUNNING", None, both(work(1), work(2, 10, failed), work(3, 200, KeyboardInterrupt()))),
        ("RUNNING", None, both(work(3), work(3))),
        ("RUNNING", None, lambda run: leave_records(run, until="ingest")),
        ("RUNNING", None, lambda run: leave_records(run, until="train")),
        ("SUCCEEDED", None, ends),
    )
    assert ended.code == 0, ended.said
    said = [line for line in ended.said.splitlines() if line.partition(":")[0].removeprefix("WARNING ") in STEPS]
    assert said.count("WARNING ingest: part 2 of 3 failed, so the step does its work: The server stays away.") == 1
    assert said.index("ingest: running") < said.index("train: running")
    assert [line for line in said if "ingest: failed" in line or "has not reported" in line] == []
    assert any(line.startswith("ingest: done") for line in said)
    assert states(ended) == dict.fromkeys((*STEPS, "notify"), "succeeded")
    again = graft("status", ended.out.split()[0], *cluster.options)
    assert (again.code, states(again)) == (0, states(ended))


def test_a_part_that_failed_last_of_all_is_told_of_though_its_step_has_ended_since(run):
    last = both(
        work(1), work(2), work(3, 10, GraftError("a bad shard")), lambda run: leave_records(run, until="ingest")
    )
    ended = run(("RUNNING", FROZEN, planned), ("RUNNING", None, last), ("SUCCEEDED", None, ends))
    assert ended.said.count("WARNING ingest: part 3 of 3 failed, so the step does its work: a bad shard") == 1


def test_status_counts_what_is_in_the_store(run, graft, cluster):
    begun = ("RUNNING", FROZEN, both(planned, work(1), work(2, 200, KeyboardInterrupt())))
    identifier = run(begun, wait=False).out.split()[0]
    shown = graft("status", identifier, *cluster.options)
    assert table(shown)["ingest"] == ["running", "1,200 of 3,000 images, 1 of 3 parts done"], shown.said
    assert states(shown)["train"] == "pending"
    leave_records(run.run, until="ingest")
    later = graft("status", identifier, *cluster.options)
    assert (states(later)["ingest"], states(later)["train"]) == ("succeeded", "running"), "though no task tells of them"


def test_before_the_plan_is_there_the_task_that_plans_tells(run, graft, cluster):
    planning = (
        "RUNNING",
        {"resolve": "SUCCEEDED", "ingest-plan": "RUNNING"},
        lambda run: leave_records(run, until="resolve"),
    )
    identifier = run(planning, wait=False).out.split()[0]
    assert states(graft("status", identifier, *cluster.options))["ingest"] == "running"


@pytest.mark.parametrize(
    "tasks", [FROZEN, {**PLANNED, "ingest-part": ["SUCCEEDED", "FAILED", "SUCCEEDED"]}], ids=["frozen", "told"]
)
def test_a_part_that_is_killed_each_time_is_named_and_is_the_step_s_end(run, tasks):
    ended = run(
        ("RUNNING", tasks, both(planned, work(1), work(3))), ("FAILED", None, work(2, 200, KeyboardInterrupt()))
    )
    said = "failed: ingest: part 2 of 3 was killed, or ran out of memory or time, after 200 of its 1,000 images: see its log"
    assert (ended.code, said in ended.out) == (1, True), ended.said
    assert (states(ended)["ingest"], states(ended)["train"]) == ("failed", "not run")


def test_a_step_after_the_loop_that_was_killed_is_no_part_s_fault(run):
    ended = run(
        ("RUNNING", FROZEN, both(planned, work(1), work(2), work(3))),
        ("FAILED", None, lambda run: leave_records(run, until="ingest")),
    )
    assert (ended.code, "failed: train: left no record; it was killed" in ended.out) == (1, True), ended.said
    assert (states(ended)["ingest"], states(ended)["train"]) == ("succeeded", "failed")


def test_a_run_that_is_cancelled_among_its_parts(run, graft, cluster):
    identifier = run(
        ("RUNNING", FROZEN, both(planned, work(1), work(2, 5, KeyboardInterrupt()))), wait=False
    ).out.split()[0]
    graft("status", identifier, *cluster.options)
    cluster.server.set_state(identifier, "CANCELLED" if cluster.target == "vertex" else "FAILED")
    mark_cancelled(run.run)
    ended = graft("status", identifier, *cluster.options)
    assert (ended.code, "cancelled: cancelled during ingest\n" in ended.out) == (4, True), ended.said
    assert states(ended)["ingest"] == "cancelled"


def test_parts_that_tell_nothing_for_long_are_worth_a_look(run, graft, cluster, monkeypatch):
    long_ago = (datetime.now(UTC) - 2 * endings.SILENT).isoformat(timespec="seconds")
    begun = ("RUNNING", FROZEN, both(planned, work(1)))
    identifier = run(begun, wait=False).out.split()[0]
    assert "has not reported" not in graft("status", identifier, *cluster.options).said
    monkeypatch.setattr(part_record, "utc_now", lambda: long_ago)
    work(1)(run.run)
    assert "ingest has not reported since " in graft("status", identifier, *cluster.options).said


@pytest.mark.parametrize("cluster", ["kubeflow"], indirect=True)
def test_parts_whose_pods_don_t_start_are_starting(run, graft, cluster):
    waiting = {**PLANNED, "ingest-part": ["RUNNING", "RUNNING"]}
    begun = ("RUNNING", waiting, lambda run: leave_records(run, until="resolve"))
    identifier = run(begun, wait=False).out.split()[0]
    assert states(graft("status", identifier, *cluster.options))["ingest"] == "running"
    tasks = cluster.server.runs[identifier]["run_details"]["task_details"]
    later = (datetime.now(UTC) + timedelta(seconds=5)).strftime("%Y-%m-%dT%H:%M:%SZ")
    for task in tasks:
        if task.get("display_name") == "ingest-part":
            task["start_time"] = later
        if task.get("display_name", "").startswith("executor(") and task["state"] == "RUNNING":
            task |= {"state": "PENDING", "start_time": later}
    assert states(graft("status", identifier, *cluster.options))["ingest"] == "starting"


@pytest.mark.parametrize("cluster", ["kubeflow"], indirect=True)
def test_the_driver_of_a_part_that_failed_is_the_step_s_end(run, cluster, graft):
    begun = ("RUNNING", FROZEN, lambda run: leave_records(run, until="resolve"))
    identifier = run(begun, wait=False).out.split()[0]
    graft("status", identifier, *cluster.options)
    cluster.server.set_state(identifier, "FAILED")
    tasks = cluster.server.runs[identifier]["run_details"]["task_details"]
    (_, driver, _) = [task for task in tasks if task.get("display_name") == "ingest-part-driver"]
    driver["state"] = "FAILED"  # one of several of that name
    ended = graft("status", identifier, *cluster.options)
    said = "failed: ingest: Kubeflow could not start it: ingest-part-driver failed"
    assert (ended.code, said in ended.out) == (1, True), ended.said
