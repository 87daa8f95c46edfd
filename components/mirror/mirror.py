"""The mirror step: another registry is told what is in Graft's, and nothing is read back from it as true."""

import logging
import threading
from collections.abc import Callable, Container, Mapping, Sequence
from concurrent.futures import Future
from typing import TypeVar

from tenacity import Retrying, retry_if_exception_type, stop_after_attempt, wait_exponential_jitter

from graft.components.common.artifacts.checksums import VERSION_NAME
from graft.components.common.artifacts.latest import Latest
from graft.components.common.artifacts.outcomes.last_step_results import MirrorResult
from graft.components.common.errors import GraftError
from graft.components.common.extras import how_to_install
from graft.components.common.registry.registry import Registry
from graft.components.common.services.api_client import LostContactError
from graft.components.mirror.config import VERTEX, MirrorConfig
from graft.components.mirror.entries import read_entries
from graft.components.mirror.other_registry import STATE_TAG, Copy, Entry, OtherRegistry

log = logging.getLogger("graft")

REMOVED = "removed"
"""The state of a copy whose version is gone from the registry."""

_ATTEMPTS, _PAUSE_SECONDS = 3, 0.5

T = TypeVar("T")

_Copies = dict[str, list[Copy]]


def mirror(registry: Registry, config: MirrorConfig) -> MirrorResult:
    """Brings another registry up to date, as a run does: it has some seconds for it, and goes on where that fails.

    Args:
        registry: The model's registry.
        config: The other one.

    Returns:
        What is there now, or why it is not up to date, which the next call mends.
    """
    try:
        return catch_up(registry, config)
    except GraftError as error:
        log.warning("%s is not mirrored: %s", registry.name, error)
        return MirrorResult(where=config.to, problem=str(error))


def catch_up(registry: Registry, config: MirrorConfig, seconds: float | None = None) -> MirrorResult:
    """Brings another registry up to date with all that Graft's says of a model. Where it is, nothing changes.

    Args:
        registry: The model's registry.
        config: The other one.
        seconds: How long that may take; None for as long as a run has for it.

    Raises:
        GraftError: It can't be reached, is too slow or refuses, or the store can't be read.
    """
    other = open_other(config, registry.name, seconds)
    # No time limit of a request holds while a name is looked up, or where a server sends a byte now and then.
    return _within(other, lambda: _mirror(registry, other))


def open_other(config: MirrorConfig, name: str, seconds: float | None = None) -> OtherRegistry:
    """Returns a model in another registry, which is not asked anything yet. What each kind needs is imported for it alone.

    Args:
        config: The other registry.
        name: The model's name.
        seconds: How long it may take in all; None for as long as a run has for it.

    Raises:
        GraftError: What it needs is not installed.
    """
    if config.to == VERTEX:
        try:
            from graft.components.mirror.vertex import open_vertex
        except ImportError as error:
            raise GraftError(f"Vertex needs its client: {how_to_install('google.cloud.aiplatform')}.") from error
        return open_vertex(config, name, seconds)
    from graft.components.mirror.mlflow import MlflowRegistry

    return MlflowRegistry(config, name, seconds)


def _within(other: OtherRegistry, work: Callable[[], T]) -> T:
    """Does something in a thread, which is left alone once it has taken too long."""
    outcome: Future[T] = Future()

    def run() -> None:
        try:
            outcome.set_result(work())
        except BaseException as error:  # it is the caller's
            outcome.set_exception(error)

    threading.Thread(target=run, name="mirror", daemon=True).start()
    try:
        return outcome.result(other.left())
    except TimeoutError:
        if outcome.done():
            raise
        raise other.too_slow() from None


def _mirror(registry: Registry, other: OtherRegistry) -> MirrorResult:
    """Brings the other registry up to date, again while `latest.json` changes meanwhile: else what was read earlier might be told last."""
    attempts = Retrying(
        retry=retry_if_exception_type(LostContactError),
        stop=stop_after_attempt(_ATTEMPTS),
        wait=wait_exponential_jitter(initial=_PAUSE_SECONDS, jitter=_PAUSE_SECONDS),
        reraise=True,
    )
    changed = 0
    while True:
        latest, whole = registry.latest(), registry.versions.finished()
        if not whole:
            raise GraftError(f"{registry.folder} has no versions to mirror: check the name and the store.")
        result = attempts(_bring, registry, other, latest, whole, read_entries(registry, latest, whole))
        changed += result.changed
        if registry.latest() == latest:
            return result.model_copy(update={"changed": changed})


def _bring(
    registry: Registry, other: OtherRegistry, latest: Latest, whole: Container[str], entries: Sequence[Entry]
) -> MirrorResult:
    """Brings the other registry up to date. It begins with a look: what an earlier attempt did whose answer was lost is found."""
    copies, added = _with_all(registry, other, entries)
    champion = _crown(other, copies, latest)
    tags = {version: {STATE_TAG: REMOVED} for version in copies if version not in whole}
    tags |= {entry.version: dict(other.tags(entry)) for entry in entries}
    tagged = _tag(other, copies, tags)
    for _, *twins in copies.values():
        for twin in twins:
            other.remove(twin.number)
    held = sum(version in whole for version in copies)
    return MirrorResult(where=other.where, champion=champion, versions=held, changed=added + tagged)


def _with_all(registry: Registry, other: OtherRegistry, entries: Sequence[Entry]) -> tuple[_Copies, int]:
    """Adds what is missing.

    Returns:
        The copies of this registry's versions, and how many were added.
    """
    copies = _look(registry, other)
    missing = [entry for entry in entries if entry.version not in copies]
    for entry in missing:
        other.add(entry)
    return _look(registry, other) if missing else copies, len(missing)


def _look(registry: Registry, other: OtherRegistry) -> _Copies:
    """Returns the copies of versions of this registry, by version, the lowest number first: others may be of a registry elsewhere."""
    found: _Copies = {}
    for copy in sorted(other.look(), key=lambda copy: copy.number):
        if VERSION_NAME.fullmatch(copy.version) and copy.uri == registry.versions.uri(copy.version):
            found.setdefault(copy.version, []).append(copy)
    return found


def _crown(other: OtherRegistry, copies: _Copies, latest: Latest) -> str:
    """Makes the latest version's copy the champion, and returns that version; where there is none, no copy stays champion."""
    kept = copies.get(latest.version or "", [])[:1]
    if kept and not kept[0].champion:
        other.crown(kept[0].number)
    elif not kept and any(copy.champion for same in copies.values() for copy in same):
        other.crown(None)
    return kept[0].version if kept else ""


def _tag(other: OtherRegistry, copies: _Copies, wanted: Mapping[str, Mapping[str, str]]) -> int:
    """Brings tags up to date, and returns how many copies had others."""
    changed = 0
    for version, tags in wanted.items():
        copy = copies[version][0]
        if stale := {key: value for key, value in tags.items() if copy.tags.get(key) != value}:
            other.tag(copy.number, stale)
            changed += 1
    return changed
