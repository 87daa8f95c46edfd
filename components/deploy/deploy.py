"""The deploy step: what `latest` names gets traffic, and nothing else does."""

import logging
from collections.abc import Sequence

from graft.components.common.artifacts.latest import Latest
from graft.components.common.artifacts.outcomes.last_step_results import DeployResult
from graft.components.common.errors import GraftError
from graft.components.common.registry.registry import Registry
from graft.components.deploy.candidate import Candidate, check_answer, read_candidate
from graft.components.deploy.targets.target import OvertakenError, Placed, Target

log = logging.getLogger("graft")

# Each further one is for a change that somebody else made meanwhile.
_ATTEMPTS = 10


def deploy(registry: Registry, target: Target, canary: int = 100) -> DeployResult:
    """Brings the latest version of a model into traffic. Where it is there already, nothing changes.

    The version comes up beside what is served, and is asked for what it answered when it was exported. Then traffic moves. A version
    that is not the latest any more by then gets none: refused, held and withdrawn versions never do. What is served and was withdrawn
    loses its traffic at once, whatever `canary` says.

    Args:
        registry: The model's registry.
        target: Where it is served.
        canary: Percent of the traffic that a new version gets; the version that had most keeps the rest.

    Raises:
        GraftError: There is no latest version, it is damaged, doesn't come up or answers otherwise, or the target refuses.
    """
    return _settle(registry, target, canary)


def promote(registry: Registry, target: Target) -> DeployResult:
    """Gives a canary all traffic, if it still is the latest version. A later one gets none by this.

    Raises:
        GraftError: The latest version is no canary, another version is the latest by now, or the target refuses.
    """
    version = _to_serve(registry, registry.latest())
    if not any(placed.percent for placed in target.look() if placed.version == version):
        raise GraftError(
            f"The latest version of {registry.name}, {version[:12]}, gets no traffic at {target.where}: bring it there with graft deploy."
        )
    return _settle(registry, target, 100, only=version)


def roll_back(registry: Registry, target: Target) -> DeployResult:
    """Takes the traffic of a canary away, and gives it back to the version that has the rest.

    Raises:
        GraftError: There is no canary, the other version was withdrawn, or the target refuses.
    """
    there = target.look()
    latest = registry.latest()
    _check_counter(registry, target, there, latest)
    served = [placed for placed in there if placed.percent]
    if len(served) < 2:
        raise GraftError(
            f"{target.where} has no canary. To go back to an earlier version: "
            + registry.command("rollback", "--reason", "WHY", "--deploy")
        )
    stable = max(served[:-1], key=lambda placed: placed.percent).version
    if not stable:
        raise GraftError(f"At {target.where} Graft did not deploy what has the rest of the traffic: give it all there.")
    candidate = read_candidate(registry, stable, latest.counter)
    _check_promoted(registry, stable)
    target.move(candidate, 100)
    latest = registry.latest()
    if not _may_serve(latest, stable):  # since a moment ago
        return _settle(registry, target, 100)
    target.clean(_promoted(latest))
    return _result(target, stable, changed=True)


def would_deploy(registry: Registry, target: Target, canary: int = 100) -> str:
    """Returns what `deploy` would do, for people, and does nothing.

    Raises:
        GraftError: There is no latest version, it is damaged, or the target can't be reached.
    """
    _check_canary(target, canary)
    latest = registry.latest()
    version = _to_serve(registry, latest)
    percent = _share(target.look(), latest, version, canary)
    if percent is None:
        return _result(target, version, changed=False).summary
    return target.plan(read_candidate(registry, version), percent)


def _settle(registry: Registry, target: Target, canary: int, only: str = "") -> DeployResult:
    """Moves traffic until what `latest` says and what is served agree.

    Args:
        registry: The model's registry.
        target: Where it is served.
        canary: Percent of the traffic that a new version gets.
        only: The version that is to get it; empty for whatever is the latest. What is withdrawn meanwhile loses its traffic all the same.
    """
    _check_canary(target, canary)
    changed = False
    for _ in range(_ATTEMPTS):
        latest = registry.latest()
        version = _to_serve(registry, latest)
        if only and version != only and _may_serve(latest, only):
            raise GraftError(
                f"{registry.name} has a new latest version, {version[:12]}: bring it to {target.where} with graft deploy."
            )
        try:
            placed = target.look()
            _check_counter(registry, target, placed, latest)
            percent = _share(placed, latest, version, canary)
            if percent is None:
                target.clean(_promoted(latest))
                return _result(target, version, changed=changed)
            _bring(registry, target, latest, percent)
            changed = True
        except OvertakenError as error:
            log.info("%s Looking again.", error)
        except GraftError:
            if registry.latest().version == version:
                raise
            log.info("%s has a new latest version meanwhile: once more", registry.name)
    raise GraftError(
        f"{target.where} did not come to rest in {_ATTEMPTS} attempts: somebody else changes it, or the latest version, all the time; "
        "see graft deploy status."
    )


def _bring(registry: Registry, target: Target, latest: Latest, percent: int) -> None:
    candidate = read_candidate(registry, _to_serve(registry, latest), latest.counter)
    target.stage(candidate)
    try:
        if (answer := target.ask(candidate)) is not None:
            check_answer(candidate, answer, target.where, target.remedy)
    except OvertakenError:
        raise
    except GraftError:
        _drop(target, candidate)
        raise
    if registry.latest().version != candidate.version:
        raise OvertakenError(f"{candidate.version[:12]} is not the latest version of {registry.name} any more.")
    target.move(candidate, percent)


def _drop(target: Target, candidate: Candidate) -> None:
    try:
        target.drop(candidate)
    except GraftError as error:  # why it gets no traffic is what has to be told
        log.warning("%s keeps %s without traffic: %s", target.where, candidate.version[:12], error)


def _check_canary(target: Target, canary: int) -> None:
    if canary < 100 and not target.splits:
        raise GraftError(f"{target.where} can't split traffic: leave canary out.")


def _check_counter(registry: Registry, target: Target, placed: Sequence[Placed], latest: Latest) -> None:
    """Refuses a `latest.json` that is older than the one by which the target got what it has: somebody put it back."""
    seen = max((one.counter for one in placed), default=0)
    if latest.counter >= seen:
        return
    now = registry.latest().counter
    if now >= seen:
        raise OvertakenError(f"{target.where} was changed by a newer latest.json meanwhile.")
    raise GraftError(
        f"The latest.json of {registry.name} in {registry.folder} is older (counter {now}) than the one by which {target.where} got "
        f"its version (counter {seen}): restore its newest generation, or, if it is right, run "
        + registry.command("sign", "--above", str(seen))
    )


def _check_promoted(registry: Registry, version: str) -> None:
    if not _may_serve(registry.latest(), version):
        raise GraftError(f"{version[:12]} was withdrawn or never promoted: bring the latest version with graft deploy.")


def _to_serve(registry: Registry, latest: Latest) -> str:
    if latest.version is None:
        remedy = "promote one" if registry.versions.finished() else "check the name and the store"
        raise GraftError(f"{registry.name} has no latest version in {registry.folder}: {remedy}.")
    if not _may_serve(latest, latest.version):
        raise GraftError(
            f"The latest version of {registry.name}, {latest.version[:12]}, is withdrawn or being removed: promote another one."
        )
    return latest.version


def _promoted(latest: Latest) -> list[str]:
    """Returns the versions that were promoted and not withdrawn, the latest first."""
    return [about.version for about in latest.candidates]


def _may_serve(latest: Latest, version: str) -> bool:
    return version in _promoted(latest)


def _share(placed: Sequence[Placed], latest: Latest, version: str, canary: int) -> int | None:
    """Returns the share of the traffic that the latest version is to get; None if it has it."""
    served = {one.version: one.percent for one in placed if one.percent}
    others = [other for other in served if other != version]
    # It is no canary beside one that came after it and isn't the latest any more, nor beside one that was withdrawn.
    is_new = version not in served or version == [*served][-1]
    wanted = canary if is_new and others and all(not one or _may_serve(latest, one) for one in others) else 100
    return None if served.get(version, 0) >= wanted else wanted


def _result(target: Target, version: str, *, changed: bool) -> DeployResult:
    percent = next((placed.percent for placed in target.look() if placed.version == version), 0)
    return DeployResult(where=target.where, version=version, percent=percent, changed=changed)
