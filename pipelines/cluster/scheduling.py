"""Schedules by the user's name: one of each, whatever a crash left behind."""

import dataclasses
import functools
import hashlib
import json
import logging
from collections.abc import Callable

from graft.components.common.errors import GraftError
from graft.components.common.parameters import Parameters
from graft.components.common.services.api_client import LostContactError
from graft.pipelines.cluster.backend import Backend, Package, Schedule
from graft.pipelines.cluster.triggers import Trigger

log = logging.getLogger("graft")

_ATTEMPTS = 3


def put_schedule(
    backend: Backend, name: str, package: Package, parameters: Parameters, trigger: Trigger
) -> tuple[Schedule, bool]:
    """Makes a schedule, in place of any other of its name; one that is exactly so already stays.

    The new one is made before the old ones go, so that a crash between leaves one too many, which the next command on
    that name removes, and never none.

    Args:
        backend: Where pipelines run.
        name: The user's name for the schedule.
        package: The compiled pipeline.
        parameters: Its parameters.
        trigger: When it fires.

    Returns:
        The schedule, and whether it is new.

    Raises:
        GraftError: The backend refuses it.
    """
    content = _digest(name, package, parameters, trigger)
    before = _all(backend, name)
    known = {found.identifier for found in before}

    def find_new() -> Schedule | None:
        found = (one for one in _all(backend, name) if one.content == content and one.identifier not in known)
        return next(found, None)

    same = next((found for found in before if found.content == content and found.active), None)
    create = functools.partial(backend.create_schedule, name, package, parameters, trigger, content)
    made = same or _create_once(create, find_new)
    for old in before:
        if old.identifier != made.identifier:
            backend.delete_schedule(old)
            log.info("removed the schedule %s of %s, which this one replaces", name, old.created or "before")
    return made, same is None


def _create_once(create: Callable[[], Schedule], find: Callable[[], Schedule | None]) -> Schedule:
    """Makes a schedule once, though an answer may be lost: before another attempt it looks whether it has arrived."""
    for _ in range(_ATTEMPTS - 1):
        try:
            return create()
        except LostContactError as error:
            log.warning("%s Looking whether the schedule was made.", error)
        if found := find():
            return found
    return create()


def the_schedule(backend: Backend, name: str) -> Schedule:
    """Returns the schedule of a name, the newest where a crash left several; the others are removed.

    Raises:
        GraftError: There is none.
    """
    found = _all(backend, name)
    if not found:
        names = sorted({schedule.name for schedule in backend.schedules()})
        raise GraftError(
            f"There is no schedule {name}: there {'are ' + ', '.join(names) if names else 'is none at all'}."
        )
    for duplicate in found[1:]:
        backend.delete_schedule(duplicate)
        log.info("removed a duplicate of the schedule %s, made %s", name, duplicate.created or "before")
    return found[0]


def _all(backend: Backend, name: str) -> list[Schedule]:
    return [schedule for schedule in backend.schedules() if schedule.name == name]


def _digest(name: str, package: Package, parameters: Parameters, trigger: Trigger) -> str:
    content = json.dumps([name, package.name, dataclasses.asdict(parameters), str(trigger)], sort_keys=True)
    return hashlib.sha256(content.encode()).hexdigest()[:16]
