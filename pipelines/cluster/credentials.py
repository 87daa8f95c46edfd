"""Who the user is to a backend: by token, cookie, Identity-Aware Proxy, Google credentials or the pod's own account."""

import dataclasses
import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from graft.components.common.errors import GraftError

# A Google token lives for an hour.
_SECONDS_KEPT = 600.0


@Parameter(name="*")
@dataclasses.dataclass(frozen=True)
class Access:
    """Where the backend is, and who the user is there.

    Attributes:
        endpoint: Address of Kubeflow Pipelines. If not given: the profile's, or in a pod of the cluster its own.
        namespace: User namespace of a multi-user Kubeflow. If not given: the profile's.
        experiment: Kubeflow experiment of runs and schedules. If not given: the profile's.
        token: Bearer token. Better in the environment or a file: others can see options in the list of processes.
        token_file: File with the bearer token, read again whenever it is used.
        cookie: Session cookie, such as authservice_session=….
        cookie_file: File with the session cookie.
        iap_client_id: OAuth client of the Identity-Aware Proxy in front of Kubeflow, entered with Google's default
            credentials.
        google: Use Google's default credentials as the bearer token, as Kubeflow hosted by Google needs. Vertex uses them
            whenever there is no token.
    """

    endpoint: Annotated[str, Parameter(env_var="KF_PIPELINES_ENDPOINT")] = ""
    namespace: str = ""
    experiment: str = ""
    token: Annotated[str, Parameter(env_var="GRAFT_TOKEN")] = dataclasses.field(default="", repr=False)
    token_file: Annotated[Path | None, Parameter(env_var="GRAFT_TOKEN_FILE")] = None
    cookie: Annotated[str, Parameter(env_var="GRAFT_COOKIE")] = dataclasses.field(default="", repr=False)
    cookie_file: Annotated[Path | None, Parameter(env_var="GRAFT_COOKIE_FILE")] = None
    iap_client_id: Annotated[str, Parameter(env_var="KF_PIPELINES_IAP_OAUTH2_CLIENT_ID")] = ""
    google: Annotated[bool, Parameter(negative="")] = False

    def token_source(self) -> Callable[[], str] | None:
        """Returns what gives the bearer token whenever it is needed, or None if there is to be none.

        Raises:
            GraftError: More than one is named.
        """
        named: dict[str, Callable[[], str]] = {}
        if self.token:
            named["--token"] = lambda: self.token
        if path := self.token_file:
            named["--token-file"] = lambda: _read(path)
        if client := self.iap_client_id:
            named["--iap-client-id"] = _kept(lambda: _identity_token(client))
        if self.google:
            named["--google"] = _kept(_access_token)
        if len(named) > 1:
            raise GraftError(f"{' and '.join(named)} are given (or set in the environment): name one of them.")
        return next(iter(named.values()), None)

    def cookies(self) -> str | None:
        """Returns the session cookie, or None.

        Raises:
            GraftError: The cookie's file can't be read.
        """
        return self.cookie or (_read(self.cookie_file) if self.cookie_file else None)


def _read(path: Path) -> str:
    try:
        text = path.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise GraftError(
            f"{path} can't be read ({type(error).__name__}): name a file that holds the secret alone."
        ) from error
    if not text or not text.isprintable():
        raise GraftError(f"{path} must hold the secret in one line and nothing else.")
    return text


def _kept(fetch: Callable[[], str]) -> Callable[[], str]:
    """Returns a function that fetches a token, and the same one for some minutes afterwards."""
    token, until = "", 0.0

    def get() -> str:
        nonlocal token, until
        if time.monotonic() > until:
            token, until = fetch(), time.monotonic() + _SECONDS_KEPT
        return token

    return get


def _identity_token(client: str) -> str:
    import google.auth.transport.requests
    import google.oauth2.id_token
    from google.auth.exceptions import GoogleAuthError

    try:
        return str(google.oauth2.id_token.fetch_id_token(google.auth.transport.requests.Request(), client))
    except GoogleAuthError as error:
        raise GraftError(
            f"Google gives no identity token ({type(error).__name__}): name a service account's key in "
            "GOOGLE_APPLICATION_CREDENTIALS, or pass --token."
        ) from error


def _access_token() -> str:
    import google.auth
    import google.auth.transport.requests
    from google.auth.exceptions import GoogleAuthError

    try:
        credentials, _ = google.auth.default(scopes=["https://www.googleapis.com/auth/cloud-platform"])
        credentials.refresh(google.auth.transport.requests.Request())
    except GoogleAuthError as error:
        raise GraftError(
            f"Google gives no access token ({type(error).__name__}): run `gcloud auth application-default login`."
        ) from error
    return str(credentials.token)
