"""Talking to the API of Vertex AI: who the user is, time limits, attempts, operations, and errors in one sentence."""

import logging
import re
import time
from collections.abc import Callable
from typing import Any

import google.auth.credentials
import requests
from google.api_core import exceptions
from google.auth.exceptions import GoogleAuthError, TransportError

from graft.components.common.errors import GraftError
from graft.components.common.services import api_client
from graft.components.common.services.api_client import ApiClient, LostContactError, UnreachableError

log = logging.getLogger("graft")

POLL_SECONDS = 2.0
"""How often Vertex is asked whether it has done what it took on."""


_LIKE = {"project": "my-project", "region": "europe-west4"}


class _BearerCredentials(google.auth.credentials.Credentials):  # type: ignore[misc]
    """A bearer token, asked for anew when the one before is refused."""

    def __init__(self, source: Callable[[], str]) -> None:
        super().__init__()
        self._source = source

    def refresh(self, request: Any) -> None:
        self.token = self._source()


class VertexClient(ApiClient):
    """What the services of google-cloud-aiplatform are asked through.

    Args:
        project: The project's ID.
        location: The region.
        address: Address of the API, where it is reached privately; empty for the region's.
        token: Returns the bearer token; None for Google's default credentials.

    Attributes:
        location: Resource name of the location, in which all others lie.

    Raises:
        GraftError: The project or the region can't be one: credentials would go to another address.
    """

    def __init__(self, project: str, location: str, address: str = "", token: Callable[[], str] | None = None) -> None:
        for what, value in (("project", project), ("region", location)):
            if not re.fullmatch(r"[a-z][a-z0-9-]*", value):
                raise GraftError(f"{value!r} can't be a {what} of Google Cloud: write it like {_LIKE[what]}.")
        self._project = project
        self.location = f"projects/{project}/locations/{location}"
        self._options: dict[str, Any] = {
            "transport": "rest",
            "credentials": _BearerCredentials(token) if token else None,
            "client_options": {"api_endpoint": address or f"{location}-aiplatform.googleapis.com"},
        }

    def service(self, kind: Callable[..., Any]) -> Any:
        """Returns a service, such as `aiplatform_v1.PipelineServiceClient`.

        Raises:
            GraftError: There are no credentials.
        """
        with self.described("Vertex"):
            return kind(**self._options)

    def ask(self, method: Callable[..., Any], *arguments: Any, **request: Any) -> Any:
        """Makes one request, with a time limit. Vertex' own client doesn't repeat it: Graft does, where that may help."""
        return method(*arguments, **request, retry=None, timeout=api_client.SECONDS)

    def find(self, what: str, method: Callable[..., Any], *arguments: Any, **request: Any) -> Any:
        """Makes a request as `call` does, and returns None if what it is about is not there."""

        def find() -> Any:
            try:
                return self.ask(method, *arguments, **request)
            except exceptions.NotFound:
                return None

        return self.insist(what, find)

    def start(self, what: str, method: Callable[..., Any], request: Any, under_way: Callable[[], list[str]]) -> str:
        """Has Vertex take something on, once: before it is told so again, as an answer got lost, it is asked what it is doing.

        Args:
            what: What it is about, for messages.
            method: The method that starts the operation.
            request: Its request.
            under_way: Returns the operations that are not done on what the request is about.

        Returns:
            The operation's name; empty where it is done already.
        """
        attempt = 0

        def start() -> str:
            nonlocal attempt
            attempt += 1
            if attempt > 1 and (operations := under_way()):
                return operations[0]
            try:
                return str(self.ask(method, request=request).operation.name)
            except exceptions.Conflict:  # it is there, or somebody else makes it at this moment
                return next(iter(under_way()), "")
            except exceptions.NotFound:
                if attempt == 1:
                    raise
                return ""  # it went by the attempt before

        return self.insist(what, start)

    def wait(self, what: str, service: Any, operation: str, seconds: float) -> Any:
        """Waits for what Vertex has taken on, and says so where it takes its time.

        Args:
            what: What it is doing, such as `deleting the schedule weekly`.
            service: The service that took it on.
            operation: Name of the operation.
            seconds: How long it may take.

        Returns:
            The operation, which is done, and may have failed.

        Raises:
            GraftError: It isn't done in time; Vertex goes on with it.
        """
        until, told = time.monotonic() + seconds, False
        while not (seen := self.call(what, service.get_operation, {"name": operation})).done:
            if time.monotonic() > until:
                raise GraftError(
                    f"{what}: Vertex has taken it on, and is not done after {seconds:.0f} seconds. It goes on with it: "
                    "run the command again later to see whether it is done."
                )
            if not told:
                log.info("waiting for Vertex, which is %s", what)
            told = True
            time.sleep(POLL_SECONDS)
        return seen

    def finish(self, what: str, service: Any, operation: str, seconds: float) -> Any:
        """Waits as `wait` does.

        Returns:
            The operation.

        Raises:
            GraftError: It isn't done in time, or has failed.
        """
        done = self.wait(what, service, operation, seconds)
        if done.HasField("error"):
            raise GraftError(
                f"{what}: Vertex could not do it ({_short(done.error.message)}): correct that and try again."
            )
        return done

    def under_way(self, what: str, service: Any, resource: str) -> list[str]:
        """Returns the names of the operations on a resource that are not done."""

        def pages() -> list[str]:
            found, request = [], {"name": resource}
            while True:
                page = self.ask(service.list_operations, request)
                found += [operation.name for operation in page.operations if not operation.done]
                if not page.next_page_token:
                    return found
                request = {"name": resource, "page_token": page.next_page_token}

        return self.insist(what, pages)

    def explain(self, what: str, error: BaseException) -> GraftError | None:
        """Returns the sentence for what the client raises, or None for what it doesn't know."""
        if isinstance(error, requests.RequestException | TransportError):
            return UnreachableError(f"Vertex can't be reached ({type(error).__name__}).")
        if isinstance(error, GoogleAuthError):
            return GraftError(
                f"Google gives no credentials ({type(error).__name__}): run `gcloud auth application-default login`, "
                "or pass a --token-file where the command takes one."
            )
        if not isinstance(error, exceptions.GoogleAPICallError):
            return None
        said = _short(re.sub(r"^[A-Z]+ https?://\S+: ", "", " ".join(str(error.message).split())))
        if isinstance(error, exceptions.TooManyRequests | exceptions.ServerError):
            return LostContactError(f"Vertex is not working (HTTP {error.code}: {said}).")
        remedy = {
            401: "log in: run `gcloud auth application-default login`, or pass a --token-file where the command takes one",
            403: (
                f"ask for roles/aiplatform.user on {self._project}, "
                "and roles/iam.serviceAccountUser on the service account"
            ),
            404: "check the name, the project and the location",
        }.get(error.code or 0, "correct it and try again")
        return GraftError(f"{what}: Vertex refuses (HTTP {error.code}: {said}): {remedy}.")


def _short(said: str) -> str:
    """Returns what Vertex said, on one line."""
    return " ".join(said.split())[:300]
