"""The deploy step: what `latest` names gets traffic, and nothing else does."""

import logging
from collections.abc import Sequence

from graft.components.common.artifacts.latest import Latest
from graft.components.common.artifacts.results import DeployResult
from graft.components.common.errors import GraftError
from graft.components.common.registry.registry import Registry
from graft.components.deploy.candidate import check_answer, read_candidate
from graft.components.deploy.targets.target import Placed, Target

log = logging.getLogger("graft")


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
    if canary < 100 and not target.splits:
        raise GraftError(f"{target.where} can't split traffic: leave canary out.")
    changed = False
    while True:
        latest = registry.latest()
        version = _to_serve(registry, latest)
        percent = _share(target.look(), latest, version, canary)
        if percent is not None:
            candidate = read_candidate(registry, version)
            target.stage(candidate)
            check_answer(candidate, target.ask(candidate), target.where)
            if registry.latest().version != version:
                continue
            target.move(candidate, percent)
            changed = True
        if registry.latest().version == version:
            target.clean([version])
            return _result(target, version, changed=changed)
        log.info("%s has a new latest version meanwhile: once more", registry.name)


def promote(registry: Registry, target: Target) -> DeployResult:
    """Gives a canary all traffic, if it still is the latest version.

    Raises:
        GraftError: The latest version is no canary, or the target refuses.
    """
    version = _to_serve(registry, registry.latest())
    shares = {placed.version: placed.percent for placed in target.look()}
    if not shares.get(version):
        raise GraftError(
            f"The latest version of {registry.name}, {version[:12]}, gets no traffic at {target.where}: bring it there with graft deploy."
        )
    return deploy(registry, target)


def roll_back(registry: Registry, target: Target) -> DeployResult:
    """Takes the traffic of a canary away, and gives it back to the version that has the rest.

    Raises:
        GraftError: There is no canary, the other version was withdrawn, or the target refuses.
    """
    latest = registry.latest()
    shares = sorted((placed for placed in target.look() if placed.percent), key=lambda placed: placed.percent)
    stable = next((placed for placed in reversed(shares) if placed.version != latest.version), None)
    if len(shares) < 2 or stable is None:
        raise GraftError(
            f"{target.where} has no canary: to go back to an earlier version, use graft registry rollback {registry.name} --deploy."
        )
    if not _may_serve(latest, stable.version):
        raise GraftError(
            f"{stable.where or target.where} serves {stable.version[:12] or 'a model'}, which was withdrawn."
        )
    target.move(read_candidate(registry, stable.version), 100)
    target.clean([stable.version])
    return _result(target, stable.version, changed=True)


def _to_serve(registry: Registry, latest: Latest) -> str:
    if latest.version is None:
        raise GraftError(f"{registry.name} has no latest version in {registry.folder}: promote one first.")
    return latest.version


def _may_serve(latest: Latest, version: str) -> bool:
    """Tells whether a version was promoted, and not withdrawn."""
    return version in {about.version for about in latest.candidates}


def _share(placed: Sequence[Placed], latest: Latest, version: str, canary: int) -> int | None:
    """Returns the share of the traffic that the latest version is to get; None if it has it."""
    shares = {one.version: one.percent for one in placed if one.percent}
    others = [other for other in shares if other != version]
    percent = canary if others and all(_may_serve(latest, other) for other in others) else 100
    return None if shares.get(version, 0) >= percent else percent


def _result(target: Target, version: str, *, changed: bool) -> DeployResult:
    percent = next((placed.percent for placed in target.look() if placed.version == version), 0)
    return DeployResult(where=target.where, version=version, percent=percent, changed=changed)
