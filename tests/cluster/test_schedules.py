"""Schedules on both targets: one of each name, whatever a crash left behind, and at most one run for the past."""

import pytest

from graft.pipelines.cluster import scheduling

pytestmark = pytest.mark.slow

SOURCE = ["--source", "gs://pictures/photos.zip", "--store", "gs://b/store", "--name", "pets"]
WEEKLY = ["--cron", "0 3 * * 1"]
STORED = {"kubeflow": "0 0 3 * * 1", "vertex": "TZ=UTC 0 3 * * 1"}


@pytest.fixture
def weekly(graft, cluster):
    """A schedule, and its identifier."""
    assert graft("schedules", "create", "weekly", *cluster.options, *SOURCE, *WEEKLY).code == 0
    (identifier,) = cluster.server.schedules
    return identifier


def test_a_schedule_fires_as_written_one_run_at_a_time(graft, cluster, weekly):
    line, concurrency, parameters = cluster.stored_schedule(weekly)
    assert (line, concurrency) == (STORED[cluster.target], 1)
    assert (parameters["source"], parameters["store"], parameters["name"]) == (
        "gs://pictures/photos.zip",
        "gs://b/store",
        "pets",
    )
    entry = cluster.server.schedules[weekly]
    if cluster.target == "kubeflow":
        assert entry["no_catchup"] is True
    else:
        assert entry.get("allowQueueing", False) is False
    assert cluster.server.fire(weekly)
    assert cluster.server.fire(weekly) is None


def test_intervals(graft, cluster):
    ended = graft("schedules", "create", "often", *cluster.options, *SOURCE, "--every", "6h")
    assert ended.code == 0, ended.said
    (identifier,) = cluster.server.schedules
    expected = {"kubeflow": "21600", "vertex": "TZ=UTC 0 */6 * * *"}
    assert cluster.stored_schedule(identifier)[0] == expected[cluster.target]
    assert {"kubeflow": "every 6h", "vertex": "0 */6 * * * (UTC)"}[cluster.target] in ended.out


def test_time_zones(graft, cluster):
    ended = graft("schedules", "create", "weekly", *cluster.options, *SOURCE, *WEEKLY, "--timezone", "Europe/Berlin")
    if cluster.target == "kubeflow":
        assert (ended.code, "in its own time zone, UTC" in ended.said) == (1, True)
        assert cluster.server.schedules == {}
    else:
        (identifier,) = cluster.server.schedules
        assert cluster.stored_schedule(identifier)[0] == "TZ=Europe/Berlin 0 3 * * 1"


def test_a_dry_run_shows_three_times_and_asks_nobody(graft, cluster):
    ended = graft("schedules", "create", "weekly", *cluster.options, *SOURCE, *WEEKLY, "--dry-run")
    lines = ended.out.strip().splitlines()
    assert (ended.code, lines[0], len(lines)) == (0, "fires next:", 4)
    assert all("Mon" in line and "03:00:00" in line for line in lines[1:])
    assert cluster.server.asked == []


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--cron", "0 0 3 * * 1"], "has 6 fields and needs five"),
        (["--every", "soon"], "is not a duration"),
        ([], "Give either --cron"),
        (["--cron", "0 3 * * 1", "--source", "photos"], "--source photos is on this machine"),
    ],
)
def test_what_is_wrong_is_refused_before_anything_is_sent(graft, cluster, options, said):
    ended = graft("schedules", "create", "weekly", *cluster.options, *options)
    assert (ended.code, said in ended.said) == (1, True)
    assert cluster.server.asked == []


def test_names_that_would_be_none(graft, cluster):
    ended = graft("schedules", "create", "a/b", *cluster.options, *WEEKLY)
    assert (ended.code, "can't be a schedule's name" in ended.said) == (1, True)


def test_list_pause_resume_run_now_delete(graft, cluster, weekly):
    options = ["weekly", *cluster.options]
    shown = graft("schedules", "list", *cluster.options).out
    assert "weekly" in shown and "0 3 * * 1" in shown and "active" in shown
    assert graft("schedules", "pause", *options).code == 0
    assert graft("schedules", "pause", *options).code == 0
    assert "paused" in graft("schedules", "list", *cluster.options).out
    assert cluster.server.fire(weekly) is None
    assert graft("schedules", "resume", *options).code == 0
    assert graft("schedules", "resume", *options).code == 0
    if cluster.target == "vertex":
        assert cluster.server.schedules[weekly]["catchUp"] is False
    made_up_for = {"kubeflow": 1, "vertex": 0}[cluster.target]
    assert len(cluster.server.runs) == made_up_for, "Kubeflow fires at once for what was missed"
    started = graft("schedules", "run-now", *options)
    run = started.out.split()[0]
    assert cluster.parameters(run)["name"] == "pets"
    assert run in started.out.split()[1]
    assert bool(cluster.server.fire(weekly)) is not bool(made_up_for), "one run at a time"
    assert graft("schedules", "delete", *options).code == 0
    assert cluster.server.schedules == {}
    assert set(cluster.server.runs) >= {run}


def test_an_unknown_schedule_names_those_there_are(graft, cluster, weekly):
    ended = graft("schedules", "pause", "daily", *cluster.options)
    assert (ended.code, "There is no schedule daily: there are weekly." in ended.said) == (1, True)


def test_none_at_all(graft, cluster):
    assert graft("schedules", "list", *cluster.options).code == 0
    ended = graft("schedules", "delete", "weekly", *cluster.options)
    assert (ended.code, "there is none at all" in ended.said) == (1, True)


def test_the_same_name_again_replaces_it(graft, cluster, weekly):
    ended = graft("schedules", "create", "weekly", *cluster.options, *SOURCE, "--cron", "0 4 * * 1")
    assert ended.code == 0
    (identifier,) = cluster.server.schedules
    assert identifier != weekly
    assert "4 * * 1" in cluster.stored_schedule(identifier)[0]


def test_exactly_the_same_again_changes_nothing(graft, cluster, weekly):
    ended = graft("schedules", "create", "weekly", *cluster.options, *SOURCE, *WEEKLY)
    assert list(cluster.server.schedules) == [weekly]
    assert "unchanged" in ended.out
    graft("schedules", "pause", "weekly", *cluster.options)
    graft("schedules", "create", "weekly", *cluster.options, *SOURCE, *WEEKLY)
    (identifier,) = cluster.server.schedules
    assert cluster.server.fire(identifier), "a schedule that is made again fires again"


def test_other_names_and_other_people_s_schedules_are_left_alone(graft, cluster, weekly):
    theirs = {**cluster.server.schedules[weekly]}
    if cluster.target == "kubeflow":
        theirs["description"] = "theirs"
    else:
        request = theirs["createPipelineJobRequest"]
        theirs["createPipelineJobRequest"] = {**request, "pipelineJob": {**request["pipelineJob"], "labels": {}}}
    cluster.server.schedules["theirs"] = theirs
    graft("schedules", "create", "daily", *cluster.options, *SOURCE, "--cron", "0 3 * * *")
    graft("schedules", "create", "weekly", *cluster.options, *SOURCE, "--cron", "0 5 * * 1")
    graft("schedules", "delete", "weekly", *cluster.options)
    assert len(cluster.server.schedules) == 2 and "theirs" in cluster.server.schedules
    assert "daily" in graft("schedules", "list", *cluster.options).out


def test_a_crash_between_making_and_removing_leaves_one_too_many_which_goes_with_the_next_command(
    graft, cluster, weekly, monkeypatch
):
    cluster.server.fail("DELETE", status=403)
    assert graft("schedules", "create", "weekly", *cluster.options, *SOURCE, "--cron", "0 4 * * 1").code == 1
    assert len(cluster.server.schedules) == 2
    ended = graft("schedules", "create", "weekly", *cluster.options, *SOURCE, "--cron", "0 4 * * 1")
    assert ended.code == 0
    (identifier,) = cluster.server.schedules
    assert "4 * * 1" in cluster.stored_schedule(identifier)[0]


@pytest.mark.parametrize("command", ["pause", "resume", "run-now", "delete"])
def test_duplicates_are_found_and_removed_by_any_command(graft, cluster, weekly, command):
    later = {**cluster.server.schedules[weekly]}
    created = "created_at" if cluster.target == "kubeflow" else "createTime"
    later[created] = "2099-01-01T00:00:00Z"
    if cluster.target == "kubeflow":
        later["recurring_run_id"] = "later"
    else:
        later["name"] = later["name"].rpartition("/")[0] + "/later"
    cluster.server.schedules["later"] = later
    ended = graft("schedules", command, "weekly", *cluster.options)
    assert (ended.code, "removed a duplicate" in ended.said) == (0, True)
    assert list(cluster.server.schedules) == ([] if command == "delete" else ["later"])


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_a_schedule_is_made_once_though_the_answer_is_lost(graft, cluster, after):
    cluster.server.drop("POST .*(recurringruns|schedules)", after=after)
    ended = graft("schedules", "create", "weekly", *cluster.options, *SOURCE, *WEEKLY)
    assert ended.code == 0, ended.said
    assert len(cluster.server.schedules) == 1


def test_a_lasting_failure_is_said_after_three_attempts(graft, cluster):
    cluster.server.fail("POST .*(recurringruns|schedules)", status=503, times=100)
    ended = graft("schedules", "create", "weekly", *cluster.options, *SOURCE, *WEEKLY)
    assert (ended.code, "is not working (HTTP 503" in ended.said) == (1, True)
    assert cluster.server.times("POST .*(recurringruns|schedules)") == scheduling._ATTEMPTS


def test_many_schedules_come_in_pages(graft, cluster, weekly):
    for number in range(205):
        entry = {**cluster.server.schedules[weekly]}
        name = "display_name" if cluster.target == "kubeflow" else "displayName"
        cluster.server.schedules[f"n{number}"] = {**entry, name: f"s{number:03}"}
    assert len(graft("schedules", "list", *cluster.options).out.strip().splitlines()) == 207


@pytest.mark.parametrize("cluster", ["vertex"], indirect=True)
def test_what_vertex_takes_on_is_waited_for_and_explained(graft, cluster, weekly, monkeypatch):
    monkeypatch.setattr("graft.components.common.services.vertex.POLL_SECONDS", 0.05)
    cluster.server.operation_polls = 2
    ended = graft("schedules", "delete", "weekly", *cluster.options)
    assert (ended.code, cluster.server.schedules) == (0, {})
    assert "waiting for Vertex, which is deleting the schedule weekly" in ended.said
    assert graft("schedules", "create", "weekly", *cluster.options, *SOURCE, *WEEKLY).code == 0
    monkeypatch.setattr("graft.pipelines.cluster.vertex.pipelines.DELETING_SECONDS", 0.2)
    cluster.server.operation_polls = 1000
    ended = graft("schedules", "delete", "weekly", *cluster.options)
    assert (ended.code, "Vertex has taken it on, and is not done after" in ended.said) == (1, True), ended.said


def test_what_another_tool_scheduled_reads_as_it_is(graft, cluster, weekly):
    if cluster.target == "kubeflow":
        cluster.server.schedules[weekly]["trigger"] = {"cron_schedule": {"cron": "30 0 3 * * 1"}}
        assert "30 0 3 * * 1" in graft("schedules", "list", *cluster.options).out
    else:
        cluster.server.schedules[weekly]["cron"] = "0 3 * * 1"
        assert "0 3 * * 1 (UTC)" in graft("schedules", "list", *cluster.options).out
