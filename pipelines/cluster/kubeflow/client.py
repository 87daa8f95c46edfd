"""Talking to the API of Kubeflow Pipelines: who the user is, time limits, attempts, and errors in one sentence."""

import json
import os
import re
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import kfp_server_api as api
import urllib3
from kfp.client import (
    KF_PIPELINES_SA_TOKEN_ENV,
    KF_PIPELINES_SA_TOKEN_PATH,
    Client,
    ServiceAccountTokenVolumeCredentials,
)
from kfp.client.token_credentials_base import TokenCredentialsBase

from graft.components.common.errors import GraftError
from graft.components.common.services import api_client
from graft.components.common.services.api_client import ApiClient, LostContactError, Result, UnreachableError
from graft.components.notify.kubeflow import IN_CLUSTER
from graft.pipelines.cluster.credentials import Access

_PASSING = (429, 500, 502, 503, 504)
# Uploads are refused with 400 for want of a right, too.
_DENIED = re.compile("denied|not authorized|authorization", re.IGNORECASE)


class _ApiToken(TokenCredentialsBase):  # type: ignore[misc]
    """Asks for the bearer token with every request, so that one that is renewed meanwhile is used."""

    def __init__(self, source: Callable[[], str]) -> None:
        self._source = source

    def refresh_api_key_hook(self, config: Any) -> None:
        config.api_key["authorization"] = self._source()


class KubeflowClient(ApiClient):
    """The services of kfp's client.

    Args:
        endpoint: Address of the API; empty in a pod of the cluster.
        access: Who the user is there.

    Attributes:
        endpoint: The address.
        services: kfp's client, whose `runs`, `pipelines`, … are the generated services.

    Raises:
        GraftError: No endpoint is known, or who the user is can't be told.
    """

    def __init__(self, endpoint: str, access: Access) -> None:
        source = access.token_source()
        credentials: Any = _ApiToken(source) if source else None
        if not endpoint:
            if "KUBERNETES_SERVICE_HOST" not in os.environ:  # which every pod of a cluster has
                raise GraftError(
                    "Where is Kubeflow Pipelines? Name it with --endpoint, KF_PIPELINES_ENDPOINT or kubeflow.endpoint in the profile."
                )
            endpoint, credentials = IN_CLUSTER, credentials or _of_the_pod()
        if "@" in endpoint or "?" in endpoint:
            raise GraftError(
                "--endpoint holds a user name, password or query string, which others could read: leave it out, and name a "
                "--token-file or --cookie-file."
            )
        if not endpoint.startswith(("http://", "https://")):
            raise GraftError(f"--endpoint {endpoint}: write it with https:// in front.")
        self.endpoint = endpoint.rstrip("/")
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="This client only works with", category=FutureWarning)
            # With a namespace, whatever it is, the client doesn't ask the server for one; Graft passes its own with each call.
            self.services = Client(
                self.endpoint, namespace="unused", credentials=credentials, cookies=access.cookies() or ""
            )
        pools = self.services.runs.api_client.rest_client.pool_manager  # of all services
        pools.connection_pool_kw["retries"] = urllib3.Retry(0)  # `insist` tries again, and knows when to stop

    def ask(self, method: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
        """Makes one request, with a time limit."""
        return method(*arguments, **options, _request_timeout=(api_client.CONNECT_SECONDS, api_client.SECONDS))

    def find_or_make(self, what: str, find: Callable[[], Result | None], make: Callable[[], Result]) -> Result:
        """Returns what is found, or else made: by an earlier attempt whose answer was lost, or by somebody else, or now.

        Args:
            what: What it is, for messages.
            find: Returns it; None where there is none.
            make: Makes and returns it.
        """

        def once() -> Result:
            if found := find():
                return found
            try:
                return make()
            except api.ApiException as error:
                if error.status == 409 and (found := find()):
                    return found
                raise

        return self.insist(what, once)

    def explain(self, what: str, error: BaseException) -> GraftError | None:
        """Returns the sentence for what the client raises, or None for what it doesn't know."""
        if isinstance(error, urllib3.exceptions.HTTPError):
            reason = type(getattr(error, "reason", None) or error).__name__
            return UnreachableError(f"Kubeflow Pipelines at {self.endpoint} can't be reached ({reason}).")
        if not isinstance(error, api.ApiException):
            return None
        said = _message(error)
        if error.status in _PASSING:
            return LostContactError(
                f"Kubeflow Pipelines at {self.endpoint} is not working (HTTP {error.status}: {said})."
            )
        remedy = {
            400: "correct it and try again; where there are several users, --namespace is needed",
            401: "log in: pass a --token-file or --cookie-file, --iap-client-id or --google",
            403: "ask for the right to do that in the namespace",
            404: "check the name and the endpoint",
        }.get(
            403 if error.status == 400 and _DENIED.search(str(error.body)) else error.status, "correct it and try again"
        )
        return GraftError(f"{what}: Kubeflow Pipelines refuses (HTTP {error.status}: {said}): {remedy}.")


def _of_the_pod() -> Any:
    """Returns the credentials of the pod's own account, whose token Kubernetes renews; None where the pod is given no token."""
    path = os.environ.get(KF_PIPELINES_SA_TOKEN_ENV) or KF_PIPELINES_SA_TOKEN_PATH
    return ServiceAccountTokenVolumeCredentials(path) if Path(path).exists() else None


def named(name: str) -> str:
    """Returns the filter for a display name."""
    return json.dumps({"predicates": [{"operation": "EQUALS", "key": "display_name", "string_value": name}]})


def _message(error: api.ApiException) -> str:
    try:
        body = json.loads(error.body)
        said = body.get("message") or body["error_message"]  # as uploads word it
    except (ValueError, KeyError, TypeError, AttributeError):
        said = error.reason
    return " ".join(str(said).split())[:300]
