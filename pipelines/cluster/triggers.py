"""When a schedule fires: five cron fields or an interval from the user, translated for each backend."""

import dataclasses
import itertools
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from cronsim import CronSim, CronSimError

from graft.components.common.errors import GraftError
from graft.pipelines.cluster.durations import DAY, HOUR, MINUTE, WEEK, in_words, parse_duration
from graft.pipelines.cluster.target import Target

_FIELDS = ("minute", "hour", "day of the month", "month", "day of the week")
_PLAIN = re.compile(r"[0-9A-Z*,/-]+")
# As crontab(5) has them; backends don't, or not all.
_NICKNAMES = {
    "@HOURLY": "0 * * * *",
    "@DAILY": "0 0 * * *",
    "@MIDNIGHT": "0 0 * * *",
    "@WEEKLY": "0 0 * * 0",
    "@MONTHLY": "0 0 1 * *",
    "@YEARLY": "0 0 1 1 *",
    "@ANNUALLY": "0 0 1 1 *",
}


@dataclasses.dataclass(frozen=True)
class Trigger:
    """When a schedule fires.

    Attributes:
        cron: Five cron fields; empty for an interval.
        seconds: Seconds between two firings, counted from the schedule's making; 0 for cron.
        time_zone: Time zone of the cron fields.
    """

    cron: str = ""
    seconds: int = 0
    time_zone: str = "UTC"

    def next_times(self, now: datetime) -> Iterator[datetime]:
        """Yields the times of the next firings, in the schedule's time zone."""
        zone = ZoneInfo(self.time_zone)
        if self.cron:
            yield from CronSim(self.cron, now.astimezone(zone))
        else:
            for count in itertools.count(1):
                yield now.astimezone(zone) + timedelta(seconds=count * self.seconds)

    @property
    def kubeflow_cron(self) -> str:
        """The cron line for Kubeflow: six fields, seconds first (robfig/cron 1.2, Parse)."""
        return f"0 {self.cron}"

    @property
    def vertex_cron(self) -> str:
        """The cron line for Vertex: five fields after the time zone."""
        return f"TZ={self.time_zone} {self.cron}"

    def __str__(self) -> str:
        return f"{self.cron} ({self.time_zone})" if self.cron else in_words(self.seconds)


def make_trigger(target: Target, cron: str, every: str, time_zone: str, cluster_time_zone: str) -> Trigger:
    """Builds a trigger out of what the user wrote.

    Args:
        target: The target.
        cron: Five cron fields, or empty.
        every: A length of time such as 6h, or empty.
        time_zone: An IANA time zone; empty for UTC on Vertex, and the cluster's on Kubeflow.
        cluster_time_zone: The time zone of Kubeflow's schedules, the only one they can have.

    Raises:
        GraftError: Not exactly one of cron and every is given, one is wrong, or the target can't do it.
    """
    if bool(cron) == bool(every):
        raise GraftError('Give either --cron "0 3 * * 1" or --every 6h.')
    zone = time_zone or (cluster_time_zone if target == "kubeflow" else "UTC")
    try:
        ZoneInfo(zone)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise GraftError(f"{zone!r} is no time zone: write it like Europe/Berlin.") from error
    if every:
        if time_zone:
            raise GraftError("--every has no time zone: leave --timezone out, or use --cron.")
        return _interval(target, every)
    if target == "kubeflow" and zone != cluster_time_zone:
        raise GraftError(
            f"Kubeflow fires all schedules in its own time zone, {cluster_time_zone} as the profile says "
            f"(kubeflow.time_zone): write the line for it, and leave --timezone out."
        )
    return Trigger(cron=_checked(cron), time_zone=zone)


def _interval(target: Target, every: str) -> Trigger:
    try:
        seconds = parse_duration(every)
    except ValueError as error:
        raise GraftError(f"--every: {error}.") from error
    if seconds < MINUTE:
        raise GraftError(f"--every {every} is too often: a minute is the least.")
    if target == "kubeflow":
        return Trigger(seconds=seconds)
    for unit, limit, line in (
        (MINUTE, HOUR, "*/{} * * * *"),
        (HOUR, DAY, "0 */{} * * *"),
        (DAY, 2 * DAY, "0 0 * * *"),
        (WEEK, 2 * WEEK, "0 0 * * 0"),
    ):
        # In cron a step starts anew with the next larger unit: it is an interval only where it divides that unit.
        if seconds % unit == 0 and seconds < limit and limit % seconds == 0:
            return Trigger(cron=line.format(seconds // unit))
    raise GraftError(
        f"--every {every} can't be expressed on Vertex, which takes cron lines only: "
        "use minutes that divide an hour, hours that divide a day, 1d or 7d, or write --cron."
    )


def _checked(cron: str) -> str:
    """Returns five cron fields that all backends read in the same way.

    Raises:
        GraftError: They are wrong, or backends differ on them.
    """
    line = cron.upper().strip()
    fields = ["*" if field == "?" else field for field in _NICKNAMES.get(line, line).split()]
    if len(fields) != len(_FIELDS):
        raise GraftError(
            f"--cron {cron!r} has {len(fields)} fields and needs five: {', '.join(_FIELDS)}, such as '0 3 * * 1'."
        )
    for name, field in zip(_FIELDS, fields, strict=True):
        if not _PLAIN.fullmatch(field) or re.search(r"(?<![A-Z])[LW](?![A-Z])", field):
            raise GraftError(
                f"--cron {cron!r}: the {name} {field!r} may hold numbers, names, '*', ',', '-' and '/' only."
            )
    fields[4] = fields[4].replace("-SUN", "-7")  # only a week that ends on it has a range up to it
    try:
        next(parsed := CronSim(" ".join(fields), datetime(2000, 1, 1, tzinfo=UTC)))
    except CronSimError as error:
        raise GraftError(f"--cron {cron!r} is wrong: {error}.") from error
    except StopIteration as error:
        raise GraftError(f"--cron {cron!r} never fires: there is no such day.") from error
    day, weekday = fields[2], fields[4]
    if (day != "*" and weekday.startswith("*/")) or (weekday != "*" and day.startswith("*/")):
        raise GraftError(
            f"--cron {cron!r}: backends differ on a day of the month together with a day of the week: use one of them."
        )
    if re.search(r"(^|[,-])7", weekday):  # Kubeflow's parser has Sunday as 0 only
        fields[4] = ",".join(
            str(number) for number in sorted({number % 7 for number in parsed.weekdays if isinstance(number, int)})
        )
    return " ".join(fields)
