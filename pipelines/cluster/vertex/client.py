"""Talking to the API of Vertex AI: who the user is, time limits, attempts, and errors in one sentence."""

import concurrent.futures
import logging
import re
from collections.abc import Callable
from typing import Any

import google.auth.credentials
import requests
from google.api_core import exceptions
from google.auth.exceptions import GoogleAuthError, TransportError
from google.cloud import aiplatform_v1 as api

from graft.components.common.errors import GraftError
from graft.components.common.services import api_client
from graft.components.common.services.api_client import ApiClient, LostContactError, UnreachableError
from graft.pipelines.cluster.credentials import Access
from graft.pipelines.cluster.profile.fields import Vertex

log = logging.getLogger("graft")

# For what Vertex takes on and does later.
OPERATION_SECONDS = 300.0


class _BearerCredentials(google.auth.credentials.Credentials):  # type: ignore[misc]
    """A bearer token, asked for anew when the one before is refused."""

    def __init__(self, source: Callable[[], str]) -> None:
        super().__init__()
        self._source = source

    def refresh(self, request: Any) -> None:
        self.token = self._source()


class VertexClient(ApiClient):
    """The services of google-cloud-aiplatform.

    Args:
        where: The project and its location.
        access: Who the user is there; Google's default credentials without a token.

    Attributes:
        jobs: The service of runs.
        schedules: The service of schedules.

    Raises:
        GraftError: There are no credentials.
    """

    def __init__(self, where: Vertex, access: Access) -> None:
        source = access.token_source()
        options: dict[str, Any] = {
            "transport": "rest",
            "credentials": _BearerCredentials(source) if source else None,
            "client_options": {"api_endpoint": where.endpoint or f"{where.location}-aiplatform.googleapis.com"},
        }
        self._project = where.project
        with self.described("Vertex"):
            self.jobs = api.PipelineServiceClient(**options)
            self.schedules = api.ScheduleServiceClient(**options)

    def ask(self, method: Callable[..., Any], *arguments: Any, **request: Any) -> Any:
        """Makes one request, with a time limit. Vertex' own client doesn't repeat it: Graft does, where that may help."""
        return method(*arguments, **request, retry=None, timeout=api_client.SECONDS)

    def wait(self, what: str, operation: Any) -> None:
        """Waits for what Vertex has taken on, and says so where it takes its time.

        Raises:
            GraftError: It isn't done after five minutes; Vertex goes on with it.
        """
        if not operation.done():
            log.info("waiting for Vertex, which is %s", what)
        try:
            operation.result(timeout=OPERATION_SECONDS)
        except concurrent.futures.TimeoutError as error:
            raise GraftError(
                f"{what}: Vertex has taken it on, and is not done after {OPERATION_SECONDS:.0f} seconds. It goes on with it: "
                "run the command again later to see whether it is done."
            ) from error

    def explain(self, what: str, error: BaseException) -> GraftError | None:
        """Returns the sentence for what the client raises, or None for what it doesn't know."""
        if isinstance(error, requests.RequestException | TransportError):
            return UnreachableError(f"Vertex can't be reached ({type(error).__name__}).")
        if isinstance(error, GoogleAuthError):
            return GraftError(
                f"Google gives no credentials ({type(error).__name__}): run `gcloud auth application-default login`, "
                "or pass a --token-file."
            )
        if not isinstance(error, exceptions.GoogleAPICallError):
            return None
        said = re.sub(r"^[A-Z]+ https?://\S+: ", "", " ".join(str(error.message).split()))[:300]
        if isinstance(error, exceptions.TooManyRequests | exceptions.ServerError):
            return LostContactError(f"Vertex is not working (HTTP {error.code}: {said}).")
        remedy = {
            401: "log in: run `gcloud auth application-default login`, or pass a --token-file",
            403: (
                f"ask for roles/aiplatform.user on {self._project}, "
                "and roles/iam.serviceAccountUser on the service account"
            ),
            404: "check the name, vertex.project and vertex.location",
        }.get(error.code or 0, "correct it and try again")
        return GraftError(f"{what}: Vertex refuses (HTTP {error.code}: {said}): {remedy}.")
