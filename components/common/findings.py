"""Findings: what a machine or a cluster can do, looked at side by side and within seconds, whatever hangs or crashes."""

import dataclasses
import threading
import time
from collections.abc import Callable, Sequence

from graft.components.common.errors import GraftError

LOOK_SECONDS = 10.0
"""What a look may take, unless it says otherwise."""


@dataclasses.dataclass(frozen=True)
class Finding:
    """What a look at one thing found.

    Attributes:
        name: The thing.
        ok: Whether it is as it should be.
        text: What was found.
        remedy: What to do; empty where nothing is to be done, or the text says it.
        needed: Whether Graft needs it; what is only of use to some is False.
    """

    name: str
    ok: bool
    text: str
    remedy: str = ""
    needed: bool = True


@dataclasses.dataclass(frozen=True)
class Look:
    """A look at one thing.

    Attributes:
        name: The thing.
        find: Returns what was found. That it fails is a finding as well.
        remedy: What to do where it takes too long, or a package is missing.
        needed: As in `Finding`.
        seconds: How many seconds it may take.
    """

    name: str
    find: Callable[[], Finding]
    remedy: str = ""
    needed: bool = True
    seconds: float = LOOK_SECONDS


def look_at_all(looks: Sequence[Look]) -> list[Finding]:
    """Looks at several things at the same time. A look that crashes or takes too long is a finding as well.

    Returns:
        A finding a look, in their order.
    """
    found: list[Finding | None] = [None] * len(looks)

    def look(number: int) -> None:
        found[number] = _find(looks[number])

    # A look that hangs must not keep the process from ending, as a pool's thread would.
    threads = [threading.Thread(target=look, args=(number,), daemon=True) for number in range(len(looks))]
    started = time.monotonic()
    for thread in threads:
        thread.start()
    for thread, asked in zip(threads, looks, strict=True):
        thread.join(max(0.0, started + asked.seconds - time.monotonic()))
    return [finding or _late(asked) for finding, asked in zip(list(found), looks, strict=True)]


def _find(look: Look) -> Finding:
    try:
        return look.find()
    except GraftError as error:
        return Finding(look.name, ok=False, text=" ".join(error.problems), needed=look.needed)
    except ModuleNotFoundError as error:
        return Finding(look.name, False, f"the package {error.name} is not installed", look.remedy, look.needed)
    except Exception as error:  # one look that crashes must not hide what the others found
        text = f"looking at it failed ({type(error).__name__}: {error})"
        return Finding(look.name, ok=False, text=text, remedy="Please report it.", needed=look.needed)


def _late(look: Look) -> Finding:
    text = f"no answer within {look.seconds:g} seconds"
    return Finding(look.name, ok=False, text=text, remedy=look.remedy, needed=look.needed)
