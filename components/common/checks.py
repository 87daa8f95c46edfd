"""Checks of what would otherwise fail later: side by side, since they wait for networks, and all that is wrong in one go."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from graft.components.common.errors import GraftError, raise_all

Found = TypeVar("Found")


def check_all(checks: Sequence[Callable[[], Found]], problems: Sequence[GraftError] = ()) -> list[Found]:
    """Makes checks at the same time, and waits for all of them.

    Args:
        checks: Each returns what it found, or raises.
        problems: What is known to be wrong already.

    Returns:
        What they found, in their order.

    Raises:
        GraftError: Something is wrong; where several things are, the error tells all of them.
    """
    with ThreadPoolExecutor(len(checks) or 1) as threads:
        futures = [threads.submit(check) for check in checks]
    found = [*problems]
    for future in futures:
        error = future.exception()
        if isinstance(error, GraftError):
            found.append(error)
        elif error is not None:
            raise error
    raise_all(found)
    return [future.result() for future in futures]
