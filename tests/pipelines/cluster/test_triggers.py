"""When a schedule fires: what the user writes, what each backend gets, and what is refused."""

import itertools
import zoneinfo
from datetime import UTC, datetime

import pytest

from graft.components.common.errors import GraftError
from graft.pipelines.cluster.durations import parse_duration
from graft.pipelines.cluster.triggers import make_trigger

NOW = datetime(2026, 3, 27, 12, 30, tzinfo=UTC)  # a Friday, two days before summer time in Berlin


def times(trigger, count=3):
    return [f"{time:%a %d %H:%M %Z}" for time in itertools.islice(trigger.next_times(NOW), count)]


def test_five_fields_become_six_for_kubeflow_and_a_zone_and_five_for_vertex():
    assert make_trigger("kubeflow", "0 3 * * 1", "", "", "UTC").kubeflow_cron == "0 0 3 * * 1"
    assert make_trigger("vertex", "0 3 * * 1", "", "Europe/Berlin", "UTC").vertex_cron == "TZ=Europe/Berlin 0 3 * * 1"
    assert make_trigger("vertex", "0 3 * * 1", "", "", "Asia/Tokyo").vertex_cron == "TZ=UTC 0 3 * * 1"


def test_next_times_keep_to_the_wall_clock_over_summer_time():
    trigger = make_trigger("vertex", "0 3 * * *", "", "Europe/Berlin", "UTC")
    assert times(trigger) == ["Sat 28 03:00 CET", "Sun 29 03:00 CEST", "Mon 30 03:00 CEST"]


def test_a_machine_without_time_zones_has_those_of_a_package():
    try:
        zoneinfo.reset_tzpath(to=[])
        zoneinfo.ZoneInfo.clear_cache()
        assert make_trigger("vertex", "0 3 * * 1", "", "Europe/Berlin", "UTC").time_zone == "Europe/Berlin"
        assert times(make_trigger("vertex", "0 3 * * 1", "", "", "UTC"), 1) == ["Mon 30 03:00 UTC"]
    finally:
        zoneinfo.reset_tzpath()


def test_kubeflow_has_its_own_time_zone_only():
    trigger = make_trigger("kubeflow", "0 3 * * 1", "", "", "Asia/Tokyo")
    assert times(trigger, 1) == ["Mon 30 03:00 JST"]
    assert make_trigger("kubeflow", "0 3 * * 1", "", "Asia/Tokyo", "Asia/Tokyo") == trigger
    with pytest.raises(GraftError, match="fires all schedules in its own time zone, Asia/Tokyo"):
        make_trigger("kubeflow", "0 3 * * 1", "", "UTC", "Asia/Tokyo")


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("0 3 * * 7", "0 3 * * 0"),
        ("0 3 * * 5-7", "0 3 * * 0,5,6"),
        ("0 3 * * Sat-Sun", "0 3 * * 0,6"),
        ("0 3 * * 1-3/2,7", "0 3 * * 0,1,3"),
        ("@weekly", "0 0 * * 0"),
        ("0 3 ? * 1", "0 3 * * 1"),
    ],
)
def test_what_cron_knows_and_not_every_backend_is_translated(written, meant):
    trigger = make_trigger("kubeflow", written, "", "", "UTC")
    assert trigger.cron == meant
    assert times(trigger, 10) == times(make_trigger("vertex", meant, "", "", "UTC"), 10)


@pytest.mark.parametrize(
    "cron", ["0 3 * * mon-fri", "*/15 * * * *", "0 0 1 jul,jan *", "5,35 8-18/2 1-7 * 1", "0 3 29 2 *"]
)
def test_plain_lines_are_taken(cron):
    assert make_trigger("kubeflow", cron, "", "", "UTC").cron == cron.upper()


@pytest.mark.parametrize(
    ("cron", "said"),
    [
        ("0 0 3 * * 1", "has 6 fields and needs five"),
        ("@reboot", "has 1 fields and needs five"),
        ("0 3 L * *", "may hold numbers"),
        ("0 3 15W * *", "may hold numbers"),
        ("0 3 * * MON#1", "may hold numbers"),
        ("60 3 * * *", "Bad minute"),
        ("0 3 * * 8", "Bad day-of-week"),
        ("0 3 31 2 *", "Bad day-of-month"),
        ("0 3 */2 * 1", "backends differ"),
        ("0 3 1 * */2", "backends differ"),
        ("0 3 * * fri-mon", "Bad day-of-week"),
        ("0 3 * * 1;rm", "may hold numbers"),
    ],
)
def test_wrong_lines_are_refused_with_the_reason(cron, said):
    for target in ("kubeflow", "vertex"):
        with pytest.raises(GraftError, match=said):
            make_trigger(target, cron, "", "", "UTC")


def test_intervals_on_kubeflow():
    trigger = make_trigger("kubeflow", "", "5h", "", "UTC")
    assert (trigger.seconds, trigger.cron, str(trigger)) == (18_000, "", "every 5h")
    assert times(trigger, 2) == ["Fri 27 17:30 UTC", "Fri 27 22:30 UTC"]


@pytest.mark.parametrize(
    ("every", "cron"),
    [
        *(("15m", "*/15 * * * *"), ("60m", "0 */1 * * *"), ("6h", "0 */6 * * *"), ("360m", "0 */6 * * *")),
        *(("24h", "0 0 * * *"), ("1d", "0 0 * * *"), ("7d", "0 0 * * 0"), ("1w", "0 0 * * 0"), ("60s", "*/1 * * * *")),
    ],
)
def test_intervals_on_vertex_are_cron_lines_of_exactly_that_distance(every, cron):
    trigger = make_trigger("vertex", "", every, "", "UTC")
    assert trigger.cron == cron
    fired = list(itertools.islice(trigger.next_times(NOW), 40))
    assert {(later - earlier).total_seconds() for earlier, later in itertools.pairwise(fired)} == {
        parse_duration(every)
    }


@pytest.mark.parametrize("every", ["5h", "7m", "2d", "2w", "90s", "90m", "36h"])
def test_other_intervals_can_t_be_said_on_vertex(every):
    with pytest.raises(GraftError, match="can't be expressed on Vertex"):
        make_trigger("vertex", "", every, "", "UTC")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("kubeflow", "", "", "", "UTC"), "Give either --cron"),
        (("kubeflow", "0 3 * * *", "6h", "", "UTC"), "Give either --cron"),
        (("kubeflow", "", "6", "", "UTC"), "is not a duration"),
        (("kubeflow", "", "0h", "", "UTC"), "is not a duration"),
        (("kubeflow", "", "30s", "", "UTC"), "is too often"),
        (("vertex", "", "6h", "Europe/Berlin", "UTC"), "--every has no time zone"),
        (("vertex", "0 3 * * *", "", "Mars/Olympus", "UTC"), "is no time zone"),
        (("vertex", "0 3 * * *", "", "../../etc/passwd", "UTC"), "is no time zone"),
    ],
)
def test_what_makes_no_sense_is_refused(arguments, said):
    with pytest.raises(GraftError, match=said):
        make_trigger(*arguments)
