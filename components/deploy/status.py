"""What is where, against what `latest` says."""

import dataclasses

from graft.components.common.artifacts.latest import Latest
from graft.components.common.registry.registry import Registry
from graft.components.deploy.targets.target import Placed, Target

_FIRST = 12  # digits of a version that people are shown


@dataclasses.dataclass(frozen=True)
class DeployStatus:
    """What is where.

    Attributes:
        rows: A row for each version that is there: where, the version, its share of the traffic, and what the registry says of it.
        text: What that means, and what to do next.
        agrees: Whether nothing gets traffic but what may, and the latest version does.
    """

    rows: list[tuple[str, str, str, str]]
    text: str
    agrees: bool


def deploy_status(registry: Registry, target: Target) -> DeployStatus:
    """Compares what a target serves with what the registry says.

    Raises:
        GraftError: One of them can't be read.
    """
    placed, latest = target.look(), registry.latest()
    states = {one.version: _state(one.version, latest) for one in placed}
    rows = [(one.where, one.version[:_FIRST], f"{one.percent}%", states[one.version]) for one in reversed(placed)]
    text, agrees = _verdict(registry, target, placed, latest, states)
    return DeployStatus(rows, text, agrees)


def _state(version: str, latest: Latest) -> str:
    if not version:
        return "not deployed by Graft"
    about = next((entry.about for entry in latest.history if entry.about.version == version), None)
    return latest.state(version, about).value


def _verdict(
    registry: Registry, target: Target, placed: list[Placed], latest: Latest, states: dict[str, str]
) -> tuple[str, bool]:
    served = {one.version: one.percent for one in placed if one.percent}
    mend = f"graft deploy {registry.name}"
    if latest.version is None:
        return f"{registry.name} has no latest version: nothing may be served yet.", not served
    promoted = [about.version for about in latest.candidates]
    for version in served:
        if version not in promoted:
            named = f"{version[:_FIRST]} is {states[version]}" if version else f"What is {states[version]} is there"
            return f"{named}, and gets {served[version]}% of the traffic. To mend it: {mend}", False
    percent, shown = served.get(latest.version, 0), latest.version[:_FIRST]
    if percent == 100:
        return f"{target.where} serves the latest version.", True
    if percent:
        return (
            f"The latest version, {shown}, gets {percent}% of the traffic. Go on with graft deploy promote {registry.name}, or with "
            f"graft deploy rollback {registry.name}",
            True,
        )
    return f"The latest version, {shown}, gets no traffic, or none yet. To bring it there: {mend}", False
