"""A client of a service's API: time limits, attempts, and errors in one sentence."""

import abc
import contextlib
import logging
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

from tenacity import RetryCallState, Retrying, before_sleep_log, retry_if_exception, wait_exponential_jitter

from graft.components.common.errors import GraftError

log = logging.getLogger("graft")

Result = TypeVar("Result")

SECONDS = 30.0
"""How long an answer may take."""

CONNECT_SECONDS = 5.0
"""How long a connection may take."""

RETRY_SECONDS = 60.0
"""How long a server that is overloaded or out of order is asked again."""

REACH_SECONDS = 10.0
"""How long a server that does not answer at all is asked again."""


class LostContactError(GraftError):
    """The service is out of order, which says nothing about what is there."""


class UnreachableError(LostContactError):
    """The service does not answer at all."""


class ApiClient(abc.ABC):
    """A client of a service's API: time limits, attempts, and errors in one sentence."""

    @abc.abstractmethod
    def ask(self, method: Callable[..., Any], *arguments: Any, **request: Any) -> Any:
        """Makes one request, with a time limit of `SECONDS`."""

    @abc.abstractmethod
    def explain(self, what: str, error: BaseException) -> GraftError | None:
        """Returns the sentence for what the client library raises, or None for what it doesn't know.

        It is a LostContactError where the server is only overloaded, and an UnreachableError where it does not answer.
        """

    def call(self, what: str, method: Callable[..., Any], *arguments: Any, **request: Any) -> Any:
        """Makes a request, again while the server is only overloaded or out of reach."""
        return self.insist(what, lambda: self.ask(method, *arguments, **request))

    def insist(self, what: str, call: Callable[[], Result]) -> Result:
        """Makes requests, again and again for up to a minute while the server is only overloaded, and for 10 s while it is out of reach.

        Args:
            what: What they are about, for messages.
            call: The requests; it must not matter that they are made twice.

        Raises:
            LostContactError: The server stays out of reach or out of order.
            GraftError: It refuses.
        """
        retrying = Retrying(
            retry=retry_if_exception(lambda error: isinstance(self.explain(what, error), LostContactError)),
            stop=lambda attempt: self._is_enough(what, attempt),
            wait=wait_exponential_jitter(initial=0.5, max=10),
            before_sleep=before_sleep_log(log, logging.DEBUG),
            reraise=True,
        )
        with self.described(what):
            return retrying(call)

    def _is_enough(self, what: str, attempt: RetryCallState) -> bool:
        error = attempt.outcome.exception() if attempt.outcome else None
        so_far = attempt.seconds_since_start or 0.0
        if error is not None and isinstance(self.explain(what, error), UnreachableError):
            return so_far + attempt.upcoming_sleep > min(REACH_SECONDS, RETRY_SECONDS)
        return so_far >= RETRY_SECONDS

    @contextlib.contextmanager
    def described(self, what: str) -> Iterator[None]:
        """Turns what the client library raises into one sentence about what was being done."""
        try:
            yield
        except Exception as error:
            explained = self.explain(what, error)
            if explained is None:
                raise
            raise explained from error
